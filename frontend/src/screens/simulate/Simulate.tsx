/** Suppose that something happens: what would a rule do? Told as a run is, and nothing moves. */
import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { api, ask } from "@/api/client";
import { useOrganization } from "@/api/session";
import { AmountField, ErrorSummary, SelectField, TextField } from "@/parts/Fields";
import { Icon } from "@/parts/icons";
import { Money } from "@/parts/Money";
import { Card } from "@/parts/Page";
import { State } from "@/parts/State";
import { Table } from "@/parts/Table";
import { useAccounts } from "../runs/choices";
import { RunParts, Simulated } from "../runs/Run";
import styles from "../runs/runs.module.css";
import { Trying, useTried } from "./Trying";

type Result = components["schemas"]["ScenarioShown"];
type Account = components["schemas"]["AccountShown"];
type Supposed = { key: number; account: Account; what: What; cents: number | null };
type What = "balance" | "stale" | "failing";
const WHATS: readonly (readonly [What, string])[] = [
  ["balance", "holds this much"],
  ["stale", "bank is stale"],
  ["failing", "bank carries nothing"],
];

export default function Simulate() {
  const tried = useTried();
  const { accounts } = useAccounts();
  const { currency } = useOrganization();
  const [cents, setCents] = useState<number | null>(null);
  const [at, setAt] = useState("");
  const [supposed, setSupposed] = useState<readonly Supposed[]>([]);
  const scenario = useMutation({
    mutationFn: async () => {
      const of = (what: What) => supposed.filter((each) => each.what === what);
      const body = {
        ...tried.body,
        amountInCents: cents,
        at: at ? `${at}:00Z` : null,
        balances: of("balance").map(({ account, cents }) => ({ accountId: account.id, amountInCents: cents ?? 0 })),
        staleAccountIds: of("stale").map(({ account }) => account.id),
        failingAccountIds: of("failing").map(({ account }) => account.id),
      };
      return (await ask(api.POST("/app/simulations", { body }))).data;
    },
  });
  function submit(event: FormEvent) {
    event.preventDefault();
    scenario.mutate();
  }
  return (
    <Trying title="Simulate" intro="Suppose that something happens. What would a rule do?">
      <Card title="Scenario">
        <form className="stack" onSubmit={submit}>
          <div className="fields">
            {tried.field}
            <AmountField
              label="Amount that arrives"
              hint="Left empty: the latest that really arrived, where the rule waits for money."
              cents={cents}
              currency={currency}
              onCents={setCents}
            />
            <TextField
              type="datetime-local"
              label="When (UTC)"
              hint="Left empty: now, by the organization’s clock."
              value={at}
              onValue={setAt}
            />
          </div>
          <Suppositions accounts={accounts} supposed={supposed} onSupposed={setSupposed} />
          <div className="row">
            <button type="submit" className="button primary" disabled={scenario.isPending || !tried.isReady}>
              Simulate
            </button>
          </div>
          <ErrorSummary error={scenario.error} />
        </form>
      </Card>
      {scenario.data && <Outcome result={scenario.data} />}
    </Trying>
  );
}

type SuppositionsProps = {
  accounts: readonly Account[];
  supposed: readonly Supposed[];
  onSupposed: (supposed: readonly Supposed[]) => void;
};

/** What is taken to be otherwise than it is. */
function Suppositions({ accounts, supposed, onSupposed }: SuppositionsProps) {
  const change = (key: number, to: Partial<Supposed>) =>
    onSupposed(supposed.map((each) => (each.key === key ? { ...each, ...to } : each)));
  const [first] = accounts;
  if (!first) return null;
  return (
    <fieldset className="stack">
      <legend className="hidden">Suppositions</legend>
      {supposed.map(({ key, account, what, cents }) => (
        <div key={key} className="fields">
          <SelectField
            label="Account"
            value={account.id}
            onValue={(id) =>
              change(key, { account: accounts.find((each) => each.id === id) ?? account, what: "balance" })
            }
            options={accounts.map((each) => [each.id, each.name])}
          />
          <SelectField
            label="Supposed"
            value={what}
            onValue={(next) => change(key, { what: next as What })}
            options={account.kind === "EXTERNAL_ACCOUNT" ? WHATS : WHATS.slice(0, 1)}
          />
          {what === "balance" && (
            <AmountField
              label="Balance"
              cents={cents}
              currency={account.currency}
              onCents={(next) => change(key, { cents: next })}
            />
          )}
          <button
            type="button"
            className={`button quiet ${styles.out}`}
            onClick={() => onSupposed(supposed.filter((each) => each.key !== key))}
          >
            <Icon name="cross" /> Take “{account.name}” out
          </button>
        </div>
      ))}
      <div className="row">
        <button
          type="button"
          className="button"
          onClick={() =>
            onSupposed([...supposed, { key: Date.now(), account: first, what: "balance", cents: first.balanceInCents }])
          }
        >
          <Icon name="plus" /> Suppose something of an account
        </button>
      </div>
    </fieldset>
  );
}

function Outcome({ result }: { result: Result }) {
  const { run, changes, setsOff } = result;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section className="stack wide" aria-label="What would happen" key={run.createdAt}>
      <Simulated />
      <div className="stack tight">
        <h2 tabIndex={-1} ref={heading}>
          {run.said}
        </h2>
        <div className="row">
          <State of={run.ending}>{run.endingWord}</State>
          <span className="soft">{run.rule.name}</span>
        </div>
      </div>
      {changes.length > 0 && (
        <Card title="Before and after" flush>
          <Table
            caption="What would change in each account, once everything has arrived"
            rows={changes}
            rowKey={(change) => change.account.id ?? ""}
            columns={[
              {
                title: "Account",
                isName: true,
                cell: (change) => (change.isDebt ? `${change.account.name} (owed)` : change.account.name),
              },
              money("Before", (change) => change.beforeInCents),
              money("Comes in", (change) => change.comesInInCents),
              money("Goes out", (change) => change.goesOutInCents),
              money("After", (change) => change.afterInCents),
            ]}
          />
        </Card>
      )}
      {setsOff.length > 0 && (
        <Card title="It would start other rules">
          <ul className="stack tight">
            {setsOff.map((rule) => (
              <li key={rule.id}>
                <Link to={`/rules/${rule.id}`}>{rule.name}</Link>
              </li>
            ))}
          </ul>
        </Card>
      )}
      <RunParts run={run} />
    </section>
  );
}

type Change = Result["changes"][number];

function money(title: string, cents: (change: Change) => number | null) {
  return {
    title,
    align: "end" as const,
    cell: (change: Change) => <Money cents={cents(change)} currency={change.currency} />,
  };
}
