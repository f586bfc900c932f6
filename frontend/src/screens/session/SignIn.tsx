import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type Refused } from "@/api/client";
import { keepSession } from "@/api/session";
import { ErrorSummary, TextField } from "@/parts/Fields";
import { Door } from "./Door";

export default function SignIn() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const signIn = useMutation({
    mutationFn: () => ask(api.POST("/app/sign-in", { body: { email, password } })),
    onSuccess: ({ data }) => keepSession(data),
  });
  return (
    <Door title="Sign in" act="Sign in" isBusy={signIn.isPending} onAct={() => signIn.mutate()}>
      <ErrorSummary error={signIn.error as Refused | null} />
      <TextField label="E-mail" type="email" autoComplete="username" required value={email} onValue={setEmail} />
      <TextField
        label="Password"
        type="password"
        autoComplete="current-password"
        required
        value={password}
        onValue={setPassword}
      />
    </Door>
  );
}
