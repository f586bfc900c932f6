import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type Refused } from "@/api/client";
import { keepSession, useSession } from "@/api/session";
import { ErrorSummary, TextField } from "@/parts/Fields";
import { Door } from "./Door";

export default function SignIn() {
  return useSession().data?.state === "second_factor_required" ? <SecondFactor /> : <Password />;
}

function Password() {
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

function SecondFactor() {
  const [code, setCode] = useState("");
  const check = useMutation({
    mutationFn: () => ask(api.POST("/app/sign-in/totp", { body: { code } })),
    onSuccess: ({ data }) => keepSession(data),
  });
  return (
    <Door title="One more step" act="Continue" isBusy={check.isPending} onAct={() => check.mutate()}>
      <ErrorSummary error={check.error as Refused | null} />
      <TextField
        label="Code"
        hint="Six digits, from the app that makes your codes."
        inputMode="numeric"
        autoComplete="one-time-code"
        required
        value={code}
        onValue={setCode}
      />
    </Door>
  );
}
