/** Making a key: what it may do, and for which accounts and rules. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, ask, type Refused } from "@/api/client";
import { AmountField, Button, CheckField, Dialog, Form, Loaded, SelectField, TextField } from "@/parts";
import styles from "./developers.module.css";

const readChoices = () => answered(api.GET("/app/keys/choices"));
type Choices = Awaited<ReturnType<typeof readChoices>>;
type Permission = Choices["permissions"][number];
type Pair = { source: string; target: string; maxAmountInCents: number | null };
type Grant = { resources: readonly string[]; pairs: readonly Pair[] };
type Props = { onClose: () => void; onMade: (secret: string) => void };

export function NewKey({ onClose, onMade }: Props) {
  const query = useQuery({ queryKey: ["keys", "choices"], queryFn: readChoices });
  return (
    <Dialog title="A new key" isOpen onClose={onClose}>
      <Loaded query={query}>{(choices) => <KeyForm choices={choices} onMade={onMade} />}</Loaded>
    </Dialog>
  );
}

function KeyForm({ choices, onMade }: { choices: Choices; onMade: (secret: string) => void }) {
  const [name, setName] = useState("");
  const [held, setHeld] = useState<ReadonlyMap<string, Grant>>(new Map());
  const [above, setAbove] = useState<number | null>(null);
  const [calls, setCalls] = useState("100");
  const make = useMutation({
    mutationFn: () => {
      const grants = [...held].map(([permission, grant]) => ({
        permission,
        resources: [...grant.resources],
        pairs: [...grant.pairs],
      }));
      const callsPerMinute = calls === "" ? null : Number(calls);
      return ask(api.POST("/app/keys", { body: { name, grants, approvalAboveInCents: above, callsPerMinute } }));
    },
    onSuccess: ({ data }) => onMade(data.secret),
  });
  const hold = (permission: string, grant: Grant | undefined) => {
    const next = new Map(held);
    if (grant) next.set(permission, grant);
    else next.delete(permission);
    setHeld(next);
  };
  const error = make.error as Refused | null;
  return (
    <Form error={error} act="Make the key" isBusy={make.isPending || held.size === 0} onSend={() => make.mutate()}>
      <TextField
        label="Name"
        hint="What it is for: people see it in lists and in the audit log."
        required
        maxLength={200}
        value={name}
        onValue={setName}
        error={error?.of("name")}
      />
      <fieldset className="stack">
        <legend>May</legend>
        {choices.permissions.map((permission) => (
          <GrantField
            key={permission.name}
            permission={permission}
            choices={choices}
            grant={held.get(permission.name)}
            onGrant={(grant) => hold(permission.name, grant)}
          />
        ))}
      </fieldset>
      <div className="fields">
        <AmountField
          label="A person approves above"
          hint="Nothing here: never"
          cents={above}
          currency="USD"
          onCents={setAbove}
        />
        <TextField
          label="Calls a minute"
          hint="Nothing here: as many as it likes"
          type="number"
          min={1}
          value={calls}
          onValue={setCalls}
        />
      </div>
      <p className="soft small">What a key may do never changes. To change it, make another one and revoke this one.</p>
    </Form>
  );
}

type GrantProps = {
  permission: Permission;
  choices: Choices;
  grant: Grant | undefined;
  onGrant: (grant: Grant | undefined) => void;
};

function GrantField({ permission, choices, grant, onGrant }: GrantProps) {
  const { label, scope } = permission;
  const toggle = (isHeld: boolean) => onGrant(isHeld ? { resources: [], pairs: [] } : undefined);
  return (
    <div className="stack tight">
      <CheckField label={label} checked={grant !== undefined} onChecked={toggle} />
      {grant && (scope === "ACCOUNTS" || scope === "RULES") && (
        <Resources
          label={label}
          all={scope === "RULES" ? "All rules" : "All accounts"}
          things={scope === "RULES" ? choices.rules : choices.accounts}
          chosen={grant.resources}
          onChosen={(resources) => onGrant({ ...grant, resources })}
        />
      )}
      {grant && scope === "PAIRS" && (
        <Pairs accounts={choices.accounts} pairs={grant.pairs} onPairs={(pairs) => onGrant({ ...grant, pairs })} />
      )}
    </div>
  );
}

type Named = { id: string; name: string };
type ResourcesProps = {
  label: string;
  all: string;
  things: readonly Named[];
  chosen: readonly string[];
  onChosen: (chosen: readonly string[]) => void;
};

function Resources({ label, all, things, chosen, onChosen }: ResourcesProps) {
  const toggle = (id: string, isChosen: boolean) =>
    onChosen(isChosen ? [...chosen, id] : chosen.filter((each) => each !== id));
  return (
    <details className={styles.inner}>
      <summary>{chosen.length ? `Only ${chosen.length} of ${things.length}` : all}</summary>
      <fieldset className={styles.choices} aria-label={`${label}: which`}>
        {things.map(({ id, name }) => (
          <CheckField
            key={id}
            label={name}
            checked={chosen.includes(id)}
            onChecked={(isChosen) => toggle(id, isChosen)}
          />
        ))}
      </fieldset>
    </details>
  );
}

type PairsProps = { accounts: readonly Named[]; pairs: readonly Pair[]; onPairs: (pairs: readonly Pair[]) => void };

function Pairs({ accounts, pairs, onPairs }: PairsProps) {
  const options = [["*", "Any account"], ...accounts.map(({ id, name }) => [id, name] as const)] as const;
  const change = (index: number, part: Partial<Pair>) =>
    onPairs(pairs.map((pair, at) => (at === index ? { ...pair, ...part } : pair)));
  return (
    <div className={styles.inner}>
      {pairs.length === 0 && <p className="hint">From any account to any account, any amount.</p>}
      {pairs.map((pair, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: pairs have no names; they are only added and taken from the end.
        <fieldset key={index} className="fields" aria-label={`Pair ${index + 1}`}>
          <SelectField
            label="From"
            value={pair.source}
            options={options}
            onValue={(source) => change(index, { source })}
          />
          <SelectField
            label="To"
            value={pair.target}
            options={options}
            onValue={(target) => change(index, { target })}
          />
          <AmountField
            label="At most at once"
            hint="Nothing here: any amount"
            cents={pair.maxAmountInCents}
            currency="USD"
            onCents={(maxAmountInCents) => change(index, { maxAmountInCents })}
          />
        </fieldset>
      ))}
      <div className="row">
        <Button
          act={pairs.length ? "Another pair" : "Only between certain accounts"}
          icon="plus"
          look="quiet"
          onClick={() => onPairs([...pairs, { source: "*", target: "*", maxAmountInCents: null }])}
        />
        {pairs.length > 0 && (
          <Button act="Take the last one away" look="quiet" onClick={() => onPairs(pairs.slice(0, -1))} />
        )}
      </div>
    </div>
  );
}
