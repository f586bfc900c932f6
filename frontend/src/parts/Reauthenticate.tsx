/** Asks a person to show once more who they are, before what only they may do; then the request goes on. */
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { api, ask, type Refused, whenAsked } from "@/api/client";
import { choosePasskey, HAS_PASSKEYS } from "@/api/passkeys";
import { queries, SESSION, useSession } from "@/api/session";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { Form, TextField } from "./Fields";

export function Reauthenticate() {
  const [isOpen, setOpen] = useState(false);
  const [password, setPassword] = useState("");
  const answer = useRef<((isDone: boolean) => void) | undefined>(undefined);
  useEffect(() => {
    whenAsked({
      reauthenticate: () =>
        new Promise((resolve) => {
          answer.current?.(false);
          answer.current = resolve;
          setOpen(true);
        }),
    });
  }, []);
  function close(isDone: boolean) {
    answer.current?.(isDone);
    answer.current = undefined;
    setPassword("");
    setOpen(false);
    show.reset();
  }
  const passkeys = useSession().data?.person?.passkeyCount ?? 0;
  const show = useMutation<unknown, Refused, "password" | "passkey">({
    mutationFn: async (how) =>
      ask(
        api.POST("/app/reauthenticate", {
          body: how === "password" ? { password } : { credential: await choosePasskey("yours") },
        }),
      ),
    onSuccess: () => {
      void queries.invalidateQueries({ queryKey: SESSION });
      close(true);
    },
  });
  return (
    <Dialog title="Is it you?" isOpen={isOpen} onClose={() => close(false)}>
      <Form
        error={show.error}
        act="Continue"
        isBusy={show.isPending}
        beside={
          HAS_PASSKEYS &&
          passkeys > 0 && (
            <Button act="Use a passkey" disabled={show.isPending} onClick={() => show.mutate("passkey")} />
          )
        }
        onSend={() => show.mutate("password")}
      >
        <p className="soft">This needs your password or a passkey, shown in the last five minutes.</p>
        <TextField
          label="Password"
          type="password"
          autoComplete="current-password"
          required
          value={password}
          onValue={setPassword}
        />
      </Form>
    </Dialog>
  );
}
