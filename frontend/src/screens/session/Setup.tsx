import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type Refused } from "@/api/client";
import { keepSession } from "@/api/session";
import { CheckField, TextField } from "@/parts/Fields";
import { AtTheDoor, Door } from "./Door";

export default function Setup() {
  const [organizationName, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [isSandbox, setSandbox] = useState(true);
  const begin = useMutation({
    mutationFn: () => ask(api.POST("/app/setup", { body: { organizationName, email, password, isSandbox } })),
    onSuccess: ({ data }) => keepSession(data),
  });
  const error = begin.error as Refused | null;
  return (
    <AtTheDoor of={["setup_required"]}>
      <Door title="Welcome" error={error} act="Begin" isBusy={begin.isPending} onAct={() => begin.mutate()}>
        <p className="soft">Nobody uses this server yet. You become its first administrator.</p>
        <TextField
          label="Organization"
          hint="Your household, your firm: whose money it is."
          required
          value={organizationName}
          onValue={setName}
          error={error?.of("organizationName")}
        />
        <CheckField
          label="Sandbox"
          hint="Play money, a simulated bank and a clock that you can turn."
          checked={isSandbox}
          onChecked={setSandbox}
        />
        <TextField
          label="E-mail"
          type="email"
          autoComplete="username"
          required
          value={email}
          onValue={setEmail}
          error={error?.of("email")}
        />
        <TextField
          label="Password"
          hint="At least 10 characters."
          type="password"
          autoComplete="new-password"
          required
          value={password}
          onValue={setPassword}
          error={error?.of("password")}
        />
      </Door>
    </AtTheDoor>
  );
}
