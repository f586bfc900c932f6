/** Move money by hand: say how much from where to where, see what that would do, and only then do it. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { api, ask, type Refused } from "@/api/client";
import { queries } from "@/api/session";
import { AmountField, Button, Dialog, Form, Money, moneyText, SelectField, TextField } from "@/parts";
import { newKey, type Preview, useAccounts } from "./accounts";
import styles from "./accounts.module.css";

type Props = { isOpen: boolean; onClose: () => void; from?: string; to?: string; cents?: number | null };

export function MoveMoney(props: Props) {
  return (
    <Dialog title="Move money" isOpen={props.isOpen} onClose={props.onClose}>
      <Mover {...props} />
    </Dialog>
  );
}

function Mover({ onClose, from = "", to = "", cents = null }: Props) {
  const [wanted, setWanted] = useState({ from, to, cents, description: "" });
  const [key, setKey] = useState(newKey);
  const change = (part: Partial<typeof wanted>) => {
    setWanted({ ...wanted, ...part });
    setKey(newKey());
    preview.reset();
    move.reset();
  };
  const accounts = useAccounts().data?.accounts ?? [];
  const currency = accounts.find((account) => account.id === wanted.from)?.currency ?? "USD";
  const body = {
    sourceAccountId: wanted.from,
    destinationAccountId: wanted.to,
    amountInCents: wanted.cents ?? 0,
    description: wanted.description || null,
  };
  const preview = useMutation({ mutationFn: () => ask(api.POST("/app/transfers/preview", { body })) });
  const move = useMutation({
    mutationFn: () => ask(api.POST("/app/transfers", { body, params: { header: { "Idempotency-Key": key } } })),
    onSuccess: () => queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== "session" }),
  });
  const seen = preview.data?.data;
  if (move.data) return <Moved made={move.data.data} onClose={onClose} />;
  return (
    <Form
      error={(move.error ?? preview.error) as Refused | null}
      onSend={() => {
        if (seen?.canBeMade) move.mutate();
        else preview.mutate();
      }}
    >
      <SelectField
        label="From"
        required
        value={wanted.from}
        onValue={(value) => change({ from: value })}
        options={[
          ["", "Choose an account"],
          ...accounts.filter((one) => one.canSend).map((one) => [one.id, one.name] as const),
        ]}
      />
      <SelectField
        label="To"
        required
        value={wanted.to}
        onValue={(value) => change({ to: value })}
        options={[
          ["", "Choose an account"],
          ...accounts.filter((one) => one.id !== wanted.from).map((one) => [one.id, one.name] as const),
        ]}
      />
      <AmountField
        label="Amount"
        required
        currency={currency}
        cents={wanted.cents}
        onCents={(value) => change({ cents: value })}
      />
      <TextField
        label="What for (optional)"
        maxLength={140}
        value={wanted.description}
        onValue={(description) => change({ description })}
      />
      {seen && <Effect seen={seen} />}
      <div className="row end">
        <Button act="Not now" onClick={onClose} />
        {seen?.canBeMade ? (
          <Button
            act={`Move ${moneyText(body.amountInCents, currency)}`}
            look="primary"
            type="submit"
            disabled={move.isPending}
          />
        ) : (
          <Button
            act="See what it would do"
            look="primary"
            type="submit"
            disabled={preview.isPending || !wanted.cents}
          />
        )}
      </div>
    </Form>
  );
}

function Effect({ seen }: { seen: Preview }) {
  return (
    <div className="card stack" role="status">
      <strong>{seen.said}</strong>
      {seen.canBeMade && (
        <div className={styles.arrow}>
          <span className="soft small">Available</span>
          <span className="soft small">now</span>
          <span className="soft small">then</span>
          {[seen.source, seen.destination].map((end) => [
            <span key={`${end.id} name`}>{end.name}</span>,
            <Money key={`${end.id} before`} cents={end.beforeInCents} currency={seen.currency} />,
            <Money key={`${end.id} after`} cents={end.afterInCents} currency={seen.currency} />,
          ])}
        </div>
      )}
      {seen.canBeMade && seen.destination.expectedInCents > 0 && (
        <p>
          On its way to {seen.destination.name} then:{" "}
          <Money cents={seen.destination.expectedInCents} currency={seen.currency} />
        </p>
      )}
      {seen.fires.length > 0 && <p>When it arrives, it starts: {seen.fires.join(", ")}.</p>}
    </div>
  );
}

function Moved({
  made,
  onClose,
}: {
  made: { id: string; statusWord: string; why: string | null };
  onClose: () => void;
}) {
  return (
    <div className="stack">
      <p role="status">
        <strong>{made.statusWord}.</strong> {made.why}
      </p>
      <div className="row end">
        <Link className="button" to={`/rules/new?like=${made.id}`} onClick={onClose}>
          Do this every time
        </Link>
        <Link className="button" to={`/transfers/${made.id}`} onClick={onClose}>
          See the transfer
        </Link>
        <Button act="Done" look="primary" onClick={onClose} />
      </div>
    </div>
  );
}
