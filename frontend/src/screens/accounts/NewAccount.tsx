/** Make an account: where money comes in, a pod to keep some in, or one that a bank keeps. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { api, ask, type Refused } from "@/api/client";
import { queries } from "@/api/session";
import { AmountField, Button, Dialog, Form, SelectField, say, TextField } from "@/parts";
import { newKey } from "./accounts";

const WHAT = {
  POD: ["POD", undefined, "Pod: money kept for something"],
  INCOME_SOURCE: ["INCOME_SOURCE", undefined, "Income source: where money comes in"],
  DEPOSITORY: ["EXTERNAL_ACCOUNT", "DEPOSITORY", "Bank account: kept by a bank"],
  INVESTMENT: ["EXTERNAL_ACCOUNT", "INVESTMENT", "Investment: kept by a broker"],
  LIABILITY: ["EXTERNAL_ACCOUNT", "LIABILITY", "Debt: a card or a loan"],
} as const;
type What = keyof typeof WHAT;
export type Kind = "POD" | "INCOME_SOURCE";

type Props = { isOpen: boolean; onClose: () => void; kind?: Kind; stays?: boolean };

/** `stays`: on this page, and does not go to the new account's. */
export function NewAccount({ isOpen, onClose, kind, stays }: Props) {
  return (
    <Dialog title="New account" isOpen={isOpen} onClose={onClose}>
      <Maker onClose={onClose} kind={kind ?? "POD"} stays={stays ?? false} />
    </Dialog>
  );
}

function Maker({ onClose, kind, stays }: { onClose: () => void; kind: What; stays: boolean }) {
  const [what, setWhat] = useState<What>(kind);
  const [name, setName] = useState("");
  const [institution, setInstitution] = useState("");
  const [balance, setBalance] = useState<number | null>(null);
  const [key] = useState(newKey);
  const navigate = useNavigate();
  const [kindAsked, external] = WHAT[what];
  const make = useMutation({
    mutationFn: () =>
      ask(
        api.POST("/app/accounts", {
          params: { header: { "Idempotency-Key": key } },
          body: {
            kind: kindAsked,
            name,
            ...(external ? { externalKind: external } : {}),
            ...(external && institution ? { institutionName: institution } : {}),
            ...(external && balance !== null ? { balanceInCents: balance } : {}),
          },
        }),
      ),
    onSuccess: ({ data }) => {
      void queries.invalidateQueries({
        predicate: ({ queryKey }) => ["accounts", "overview", "map"].includes(String(queryKey[0])),
      });
      onClose();
      if (!stays) void navigate(`/accounts/${data.id}`);
      else say(`${name} is made.`);
    },
  });
  const error = make.error as Refused | null;
  return (
    <Form
      error={error}
      act="Make it"
      isBusy={make.isPending}
      beside={<Button act="Not now" onClick={onClose} />}
      onSend={() => make.mutate()}
    >
      <SelectField
        label="What it is"
        value={what}
        onValue={(value) => setWhat(value as What)}
        options={Object.entries(WHAT).map(([value, [, , word]]) => [value, word] as const)}
      />
      <TextField label="Name" required maxLength={100} value={name} onValue={setName} error={error?.of("name")} />
      {external && (
        <>
          <TextField label="Bank (optional)" maxLength={200} value={institution} onValue={setInstitution} />
          <AmountField
            label={external === "LIABILITY" ? "What is owed" : "What is in it"}
            currency="USD"
            cents={balance}
            onCents={setBalance}
            error={error?.of("balanceInCents")}
          />
        </>
      )}
    </Form>
  );
}
