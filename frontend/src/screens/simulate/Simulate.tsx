/** Suppose that something happens: what would a rule do? Told as a run is, and nothing moves. */
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { answered, api } from "@/api/client";
import { useOrganization } from "@/api/session";
import { AmountField, amounts, Button, Card, Form, Loaded, SelectField, State, Table, TextField } from "@/parts";
import type { Run } from "@/parts/TraceView";
import { useClock } from "@/parts/When";
import { useAccounts, useFilter } from "../runs/choices";
import { RunParts, Simulated, useRun } from "../runs/Run";
import styles from "../runs/runs.module.css";
import { KeepAsTest } from "./KeepAsTest";
import { Trying, useTried } from "./Trying";

type Result = components["schemas"]["ScenarioShown"];
type Change = components["schemas"]["ChangeShown"];
type Body = components["schemas"]["TryScenario"];
type Account = components["schemas"]["AccountShown"];
type Supposed = { key: number; account: Account; what: What; cents: number | null };
type What = "balance" | "stale" | "failing";
const WHATS: readonly (readonly [What, string])[] = [
  ["balance", "holds this much"],
  ["stale", "bank is stale"],
  ["failing", "bank carries nothing"],
];

export default function Simulate() {
  const from = useFilter().of("run");
  const run = useRun(from);
  return (
    <Trying title="Simulate" intro="Suppose that something happens. What would a rule do?">
      {from ? <Loaded query={run}>{(found) => <Scenario key={from} like={found} />}</Loaded> : <Scenario key="" />}
    </Trying>
  );
}

/** `like`: a run whose amount and time are tried again, on the balances and the rule of now. */
function Scenario({ like }: { like?: Run }) {
  const tried = useTried();
  const { accounts } = useAccounts();
  const { currency } = useOrganization();
  const { zone, fieldOf, momentOf } = useClock();
  const [cents, setCents] = useState<number | null>(like?.amountInCents ?? null);
  const [at, setAt] = useState(like ? fieldOf(like.createdAt) : "");
  const [supposed, setSupposed] = useState<readonly Supposed[]>([]);
  const scenario = useMutation({ mutationFn: (body: Body) => answered(api.POST("/app/simulations", { body })) });
  function simulate() {
    const of = (what: What) => supposed.filter((each) => each.what === what);
    scenario.mutate({
      ...tried.body,
      amountInCents: cents,
      at: at ? momentOf(at) : null,
      balances: of("balance").map(({ account, cents }) => ({ accountId: account.id, amountInCents: cents ?? 0 })),
      staleAccountIds: of("stale").map(({ account }) => account.id),
      failingAccountIds: of("failing").map(({ account }) => account.id),
    });
  }
  return (
    <>
      <Card title="Scenario">
        <Form error={scenario.error} act="Simulate" isBusy={scenario.isPending || !tried.isReady} onSend={simulate}>
          {like && (
            <p className="soft">
              The amount and the time are those of <Link to={`/runs/${like.id}`}>a run of {like.rule.name}</Link>; the
              rule and the balances are those of now.
            </p>
          )}
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
              label={`When (${zone})`}
              hint="Left empty: now, by the organization’s clock."
              value={at}
              onValue={setAt}
            />
          </div>
          <Suppositions accounts={accounts} supposed={supposed} onSupposed={setSupposed} />
        </Form>
      </Card>
      {scenario.data && <Outcome key={scenario.submittedAt} result={scenario.data} scenario={scenario.variables} />}
    </>
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
          <Button
            act={`Take “${account.name}” out`}
            icon="cross"
            look="quiet"
            className={styles.out}
            onClick={() => onSupposed(supposed.filter((each) => each.key !== key))}
          />
        </div>
      ))}
      <div className="row">
        <Button
          act="Suppose something of an account"
          icon="plus"
          onClick={() =>
            onSupposed([...supposed, { key: Date.now(), account: first, what: "balance", cents: first.balanceInCents }])
          }
        />
      </div>
    </fieldset>
  );
}

function Outcome({ result, scenario }: { result: Result; scenario: Body }) {
  const { run, changes, setsOff } = result;
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <section className="stack wide" aria-label="What would happen">
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
              amounts("Before", (change: Change) => [change.beforeInCents, change.currency]),
              amounts("Comes in", (change: Change) => [change.comesInInCents, change.currency]),
              amounts("Goes out", (change: Change) => [change.goesOutInCents, change.currency]),
              amounts("After", (change: Change) => [change.afterInCents, change.currency]),
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
      {scenario.ruleId && <KeepAsTest ruleId={scenario.ruleId} scenario={scenario} came={result.came} />}
    </section>
  );
}
