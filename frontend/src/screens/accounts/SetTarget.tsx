/** Want an amount in an account, at some time or by a day. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, at, type Refused } from "@/api/client";
import { queries } from "@/api/session";
import { AmountField, Button, Dialog, Form, TextField } from "@/parts";
import type { Account } from "./accounts";

type Props = { account: Account; isOpen: boolean; onClose: () => void };

export function SetTarget({ account, isOpen, onClose }: Props) {
  return (
    <Dialog title={`Target for ${account.name}`} isOpen={isOpen} onClose={onClose}>
      <Setter account={account} onClose={onClose} />
    </Dialog>
  );
}

function Setter({ account, onClose }: { account: Account; onClose: () => void }) {
  const [cents, setCents] = useState<number | null>(account.target?.amountInCents ?? null);
  const [by, setBy] = useState(account.target?.by ?? "");
  const done = () => {
    void queries.invalidateQueries({ predicate: ({ queryKey }) => ["accounts", "map"].includes(String(queryKey[0])) });
    onClose();
  };
  const set = useMutation({
    mutationFn: () =>
      ask(
        api.PUT("/app/accounts/{id}/target", {
          ...at(account.id),
          body: { amountInCents: cents ?? 0, by: by || null },
        }),
      ),
    onSuccess: done,
  });
  const clear = useMutation({
    mutationFn: () => ask(api.DELETE("/app/accounts/{id}/target", at(account.id))),
    onSuccess: done,
  });
  const error = (set.error ?? clear.error) as Refused | null;
  return (
    <Form error={error} onSend={() => set.mutate()}>
      <AmountField
        label="How much should be there"
        required
        currency={account.currency}
        cents={cents}
        onCents={setCents}
        error={error?.of("amountInCents")}
      />
      <TextField
        label="By when (optional)"
        type="date"
        hint="With a day it is paced evenly from today on."
        value={by}
        onValue={setBy}
        error={error?.of("by")}
      />
      <div className="row end">
        {account.target && (
          <Button act="Remove the target" look="danger" disabled={clear.isPending} onClick={() => clear.mutate()} />
        )}
        <Button act="Set the target" look="primary" type="submit" disabled={set.isPending || !cents} />
      </div>
    </Form>
  );
}
