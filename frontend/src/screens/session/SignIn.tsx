/** Sign in: with a password and, where that is wanted, a code, which may have to be set up; or with a passkey, which is both. */
import { useMutation } from "@tanstack/react-query";
import { lazy, useState } from "react";
import { api, ask, type Refused } from "@/api/client";
import { choosePasskey, HAS_PASSKEYS } from "@/api/passkeys";
import { keepSession, type Session, useSession } from "@/api/session";
import { Button } from "@/parts/Button";
import { TextField } from "@/parts/Fields";
import { AtTheDoor, Door, TurnBack } from "./Door";

const SetUpFactor = lazy(() => import("./SetUpFactor"));

export default function SignIn() {
  // While there are recovery codes to keep, nobody is led away from them.
  const [isHeld, hold] = useState(false);
  const state = useSession().data?.state;
  if (isHeld || state === "second_factor_missing") return <SetUpFactor hold={hold} />;
  return (
    <AtTheDoor of={["signed_out", "second_factor_required"]}>
      {state === "second_factor_required" ? <SecondFactor /> : <Password />}
    </AtTheDoor>
  );
}

function Password() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [choice, setChoice] = useState<Session | null>(null);
  const signIn = useMutation<Session, Refused, string | undefined>({
    mutationFn: async (organizationId) =>
      (await ask(api.POST("/app/sign-in", { body: { email, password, ...(organizationId && { organizationId }) } })))
        .data,
    onSuccess: (session, organizationId) =>
      session.organizations.length > 1 && !organizationId ? setChoice(session) : keepSession(session),
  });
  const passkey = usePasskey();
  if (choice) {
    return (
      <Door title="Where to?" error={signIn.error}>
        <p className="soft">Your password opens more than one organization.</p>
        {choice.organizations.map(({ id, name }) => (
          <Button
            key={id}
            act={name}
            disabled={signIn.isPending}
            onClick={() => (id === choice.organization?.id ? keepSession(choice) : signIn.mutate(id))}
          />
        ))}
      </Door>
    );
  }
  return (
    <Door
      title="Sign in"
      error={signIn.error ?? passkey.error}
      act="Sign in"
      isBusy={signIn.isPending || passkey.isPending}
      onAct={() => {
        passkey.reset();
        signIn.mutate(undefined);
      }}
      after={<PasskeyButton passkey={passkey} onUse={signIn.reset} />}
    >
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
  const check = useMutation<{ data: Session }, Refused>({
    mutationFn: () => ask(api.POST("/app/sign-in/totp", { body: { code } })),
    onSuccess: ({ data }) => keepSession(data),
  });
  const passkey = usePasskey();
  return (
    <Door
      title="One more step"
      error={check.error ?? passkey.error}
      act="Continue"
      isBusy={check.isPending || passkey.isPending}
      onAct={() => {
        passkey.reset();
        check.mutate();
      }}
      after={
        <>
          <PasskeyButton passkey={passkey} onUse={check.reset} />
          <TurnBack />
        </>
      }
    >
      <TextField
        label="Code"
        hint="Six digits, from the app that makes your codes. Without it: one of your recovery codes, or a passkey."
        autoComplete="one-time-code"
        required
        value={code}
        onValue={setCode}
      />
    </Door>
  );
}

function usePasskey() {
  return useMutation<{ data: Session }, Refused>({
    mutationFn: async () =>
      ask(api.POST("/app/sign-in/passkey", { body: { credential: await choosePasskey("anybody") } })),
    onSuccess: ({ data }) => keepSession(data),
  });
}

type Passkey = ReturnType<typeof usePasskey>;

function PasskeyButton({ passkey, onUse }: { passkey: Passkey; onUse: () => void }) {
  if (!HAS_PASSKEYS) return null;
  return (
    <Button
      act="Use a passkey"
      disabled={passkey.isPending}
      onClick={() => {
        onUse();
        passkey.mutate();
      }}
    />
  );
}
