/** One-time codes: turned on with a picture to scan and a first code, off again, and the codes for bad days. */
import { useMutation } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { answered, api, ask, type Refused } from "@/api/client";
import { Button, Card, Confirm, Dialog, ErrorSummary, Form, State, say, TextField } from "@/parts";
import { CopyText } from "@/parts/CopyText";
import styles from "./people.module.css";
import { refresh, type SecurityFacts } from "./Security";

type Begun = { secret: string; uri: string; qr: string };

/** `hold`: told whether there is something to be kept that would go with the page. */
export function Codes({ security, hold }: { security: SecurityFacts; hold?: (isHeld: boolean) => void }) {
  const [begun, setBegun] = useState<Begun | null>(null);
  const [shown, setShown] = useState<readonly string[] | null>(null);
  const [isTurningOff, setTurningOff] = useState(false);
  const begin = useMutation<Begun, Refused>({
    mutationFn: () => answered(api.POST("/app/security/totp")),
    onSuccess: setBegun,
  });
  const renew = useMutation<readonly string[], Refused>({
    mutationFn: async () => (await answered(api.POST("/app/security/recovery-codes"))).codes,
    onSuccess: setShown,
    onSettled: refresh,
  });
  useEffect(() => hold?.(begun !== null || shown !== null), [hold, begun, shown]);
  const left = security.recoveryCodesLeft;
  return (
    <Card title="One-time codes">
      <div className="stack">
        <ErrorSummary error={begin.error ?? renew.error} />
        {security.hasTotp ? (
          <>
            <p className="row">
              <State tone="good">On</State>
              <span className="soft">{left === 1 ? "1 recovery code is" : `${left} recovery codes are`} left.</span>
            </p>
            <div className="row">
              <Button act="New recovery codes" disabled={renew.isPending} onClick={() => renew.mutate()} />
              <Button act="Turn off" look="danger" onClick={() => setTurningOff(true)} />
            </div>
          </>
        ) : (
          <>
            <p className="soft">After your password, show a code from an app on your phone as well.</p>
            <div className="row">
              <Button act="Turn on" disabled={begin.isPending} onClick={() => begin.mutate()} />
            </div>
          </>
        )}
      </div>
      {begun && (
        <Confirming
          begun={begun}
          onClose={() => setBegun(null)}
          onDone={(codes) => {
            setBegun(null);
            setShown(codes);
            void refresh();
          }}
        />
      )}
      {shown && (
        <Dialog title="Your recovery codes" isOpen onClose={() => setShown(null)}>
          <p>
            Each lets you in once without your phone. They are shown only now: keep them where you will find them
            without it.
          </p>
          <CopyText text={shown.join("\n")} label="Copy the codes" />
          <div className="row end">
            <Button act="I have kept them" look="primary" onClick={() => setShown(null)} />
          </div>
        </Dialog>
      )}
      {isTurningOff && <TurningOff onClose={() => setTurningOff(false)} />}
    </Card>
  );
}

type ConfirmingProps = { begun: Begun; onClose: () => void; onDone: (codes: readonly string[]) => void };

function Confirming({ begun, onClose, onDone }: ConfirmingProps) {
  const [code, setCode] = useState("");
  const confirm = useMutation<readonly string[], Refused>({
    mutationFn: async () => (await answered(api.POST("/app/security/totp/confirm", { body: { code } }))).codes,
    onSuccess: onDone,
  });
  return (
    <Dialog title="Turn one-time codes on" isOpen onClose={onClose}>
      <Form error={confirm.error} act="Turn on" isBusy={confirm.isPending} onSend={() => confirm.mutate()}>
        <p>Scan this with the app on your phone, or open it there with the link or the key below.</p>
        <img className={styles.qr} src={begun.qr} alt="The key, to scan" />
        <p>
          <a href={begun.uri}>Open in an app on this device</a>
        </p>
        <CopyText text={begun.secret.replace(/(.{4})(?=.)/g, "$1 ")} label="Copy the key" />
        <TextField
          label="First code"
          hint="Six digits, as the app shows them now."
          inputMode="numeric"
          autoComplete="one-time-code"
          required
          value={code}
          onValue={setCode}
        />
      </Form>
    </Dialog>
  );
}

function TurningOff({ onClose }: { onClose: () => void }) {
  const done = async () => {
    await refresh();
    say("One-time codes are off");
    onClose();
  };
  return (
    <Confirm
      title="Turn one-time codes off?"
      act="Turn off"
      isDanger
      isOpen
      onAct={() => ask(api.DELETE("/app/security/totp"))}
      onDone={done}
      onClose={onClose}
    >
      <p>No code will be asked for after your password. The recovery codes are good for nothing any more.</p>
    </Confirm>
  );
}
