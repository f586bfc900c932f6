import { useQuery } from "@tanstack/react-query";
import { ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { useEffect, useMemo, useState } from "react";
import { flushSync } from "react-dom";
import { Link, useSearchParams } from "react-router";
import { answered, api, at } from "@/api/client";
import { amounts, Button, Card, Empty, Field, Loaded, Money, Page, SelectField, State, Table } from "@/parts";
import { dayOf, When } from "@/parts/When";
import { MoveMoney } from "@/screens/accounts/MoveMoney";
import { Known, Target } from "@/screens/accounts/Target";
import { amountsOf, Canvas, FIT, type Lit } from "./Canvas";
import type { Account, Seen, Way } from "./layout";
import styles from "./map.module.css";

export default function MapScreen() {
  const [params, setParams] = useSearchParams();
  const period = (params.get("period") ?? "LAST_30_DAYS") as Seen["period"];
  const isTable = params.get("view") === "table";
  const query = useQuery({
    queryKey: ["map", period],
    queryFn: () => answered(api.GET("/app/map", { params: { query: { period } } })),
    placeholderData: (before) => before,
  });
  const set = (changes: Record<string, string | null>) =>
    setParams(
      (before) => {
        const next = new URLSearchParams(before);
        for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
        return next;
      },
      { replace: true },
    );
  const isPrinting = usePrinting();
  return (
    <Page
      title="Map"
      intro={
        query.data &&
        `What moved is of ${dayOf(query.data.fromDay)} to ${dayOf(query.data.toDay)} (UTC), both included.`
      }
      actions={
        <>
          <Button act="Print" onClick={() => print()} />
          <Button
            act={isTable ? "Show the map" : "Show as a table"}
            aria-keyshortcuts="t"
            onClick={() => set({ view: isTable ? null : "table" })}
          />
        </>
      }
    >
      <Loaded query={query}>
        {(seen) =>
          seen.nodes.length === 0 ? (
            <Card>
              <Empty icon="map" title="Nothing to draw yet">
                <Link to="/accounts">Make accounts</Link>, and rules that move money between them.
              </Empty>
            </Card>
          ) : (
            <ReactFlowProvider>
              <Tools seen={seen} set={set} isTable={isTable} />
              {!isTable && <Drawn seen={seen} params={params} set={set} />}
              {(isTable || isPrinting) && <Twin seen={seen} />}
            </ReactFlowProvider>
          )
        }
      </Loaded>
    </Page>
  );
}

const PAPER = 700;

/** Whether the page is being printed: then the table goes along, and the map, drawn for this window, is made to fit. */
function usePrinting(): boolean {
  const [isPrinting, setPrinting] = useState(false);
  useEffect(() => {
    const { style } = document.documentElement;
    function onPrint({ type }: Event) {
      const width = document.querySelector(".react-flow")?.clientWidth ?? PAPER;
      style.setProperty("--to-paper", String(Math.min(PAPER / width, 1)));
      style.setProperty("--drawn", `${width}px`);
      flushSync(() => setPrinting(type === "beforeprint"));
    }
    addEventListener("beforeprint", onPrint);
    addEventListener("afterprint", onPrint);
    return () => {
      removeEventListener("beforeprint", onPrint);
      removeEventListener("afterprint", onPrint);
    };
  }, []);
  return isPrinting;
}

type Set = (changes: Record<string, string | null>) => void;

function Tools({ seen, set, isTable }: { seen: Seen; set: Set; isTable: boolean }) {
  const { fitView, zoomIn, zoomOut } = useReactFlow();
  const find = (text: string) => {
    const node = seen.nodes.find((each) => each.name === text);
    const rule = seen.rules.find((each) => each.title === text);
    if (node) set({ node: node.id, rule: null, run: null, view: null });
    else if (rule) set({ rule: rule.id, node: null, run: null, view: null });
  };
  return (
    <div className={styles.tools}>
      <SelectField
        label="What moved in"
        value={seen.period}
        onValue={(value) => set({ period: value })}
        options={seen.periods.map((each) => [each.name, each.word] as const)}
      />
      <Field label="Find an account or a rule">
        {(wired) => <input {...wired} type="search" list="on-the-map" onChange={(event) => find(event.target.value)} />}
      </Field>
      <datalist id="on-the-map">
        {seen.nodes.map((node) => (
          <option key={node.id} value={node.name} />
        ))}
        {seen.rules.map((rule) => (
          <option key={rule.id} value={rule.title} />
        ))}
      </datalist>
      {!isTable && (
        <fieldset className="row" aria-label="Zoom">
          <Button icon="plus" aria-label="Closer" onClick={() => void zoomIn()} />
          <Button icon="idle" aria-label="Further away" onClick={() => void zoomOut()} />
          <Button act="Fit" onClick={() => void fitView(FIT)} />
        </fieldset>
      )}
    </div>
  );
}

function Drawn({ seen, params, set }: { seen: Seen; params: URLSearchParams; set: Set }) {
  const nodeId = params.get("node") ?? undefined;
  const ruleId = params.get("rule") ?? undefined;
  const runId = params.get("run") ?? undefined;
  const run = useQuery({
    queryKey: ["runs", runId, "map"],
    enabled: runId !== undefined,
    queryFn: () => answered(api.GET("/app/map/runs/{id}", at(runId ?? ""))),
  });
  const replay = runId ? run.data : undefined;
  const lit = useMemo<Lit>(
    () => (replay ? { amounts: amountsOf(seen, replay.ruleId, replay.moves) } : { nodeId, ruleId }),
    [seen, replay, nodeId, ruleId],
  );
  const node = seen.nodes.find((each) => each.id === nodeId);
  const rule = seen.rules.find((each) => each.id === ruleId);
  const clear = () => set({ node: null, rule: null, run: null });
  const panel = replay ? (
    <Replay run={replay} />
  ) : node ? (
    <AccountPanel account={node} ways={seen.edges} seen={seen} set={set} />
  ) : (
    rule && <RulePanel rule={rule} ways={seen.edges.filter((way) => way.ruleId === rule.id)} seen={seen} />
  );
  return (
    <div className={styles.split}>
      <Canvas
        seen={seen}
        lit={lit}
        onNode={(id) => set({ node: id, rule: null, run: null })}
        onRule={(id) => set({ rule: id, node: null, run: null })}
        onNothing={clear}
      />
      {panel && (
        <aside className={styles.panel} aria-label="What is selected">
          <Button icon="cross" look="quiet" className={styles.close} aria-label="Close" onClick={clear} />
          {panel}
        </aside>
      )}
      <Legend />
    </div>
  );
}

const LINES = [
  ["ENABLED", "enabled"],
  ["DISABLED", "off"],
  ["FAILED", "failed last time"],
] as const;

function Legend() {
  return (
    <p className={`soft small ${styles.legend}`}>
      {LINES.map(([state, word]) => (
        <span key={state} className="row">
          <svg className={styles.way} data-state={state} width="36" height="8" aria-hidden="true">
            <path className="react-flow__edge-path" d="M2 4h32" />
          </svg>
          {word}
        </span>
      ))}
      <span>The wider, the more has moved. Choose an account or a way; arrow keys walk along the ways.</span>
    </p>
  );
}

function AccountPanel({ account, ways, seen, set }: { account: Account; ways: readonly Way[]; seen: Seen; set: Set }) {
  const [isMoving, setMoving] = useState(false);
  const rules = seen.rules.filter((rule) =>
    ways.some((way) => way.ruleId === rule.id && [way.sourceId, way.destinationId].includes(account.id)),
  );
  return (
    <div className="stack">
      <h2>
        <Link to={`/accounts/${account.id}`}>{account.name}</Link>
      </h2>
      <Money className="big" cents={account.balanceInCents} currency={account.currency} />
      <Target account={account} says />
      <span>
        <Known account={account} /> {account.freshness.at && <When at={account.freshness.at} />}
      </span>
      {seen.can.includes("MOVE_MONEY") && <Button act="Move money" onClick={() => setMoving(true)} />}
      <MoveMoney
        isOpen={isMoving}
        onClose={() => setMoving(false)}
        {...(account.canSend ? { from: account.id } : { to: account.id })}
      />
      <h3>Rules</h3>
      {rules.length === 0 && <p className="soft">No rule moves its money.</p>}
      <ul className="stack tight">
        {rules.map((rule) => (
          <li key={rule.id}>
            <Button act={rule.title} look="quiet" onClick={() => set({ rule: rule.id, node: null })} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function WayState({ way }: { way: Way }) {
  const state = <State of={way.state}>{way.stateWord}</State>;
  return way.failedRunId && way.state === "FAILED" ? <Link to={`/runs/${way.failedRunId}`}>{state}</Link> : state;
}

function RulePanel({ rule, ways, seen }: { rule: Seen["rules"][number]; ways: readonly Way[]; seen: Seen }) {
  const name = (id: string) => seen.nodes.find((node) => node.id === id)?.name;
  return (
    <div className="stack">
      <h2>
        <Link to={`/rules/${rule.id}`}>{rule.title}</Link>
      </h2>
      {ways[0] && <WayState way={ways[0]} />}
      <p>{rule.sentence}</p>
      <ul className="stack tight">
        {ways.map((way) => (
          <li key={way.id} className="row spread">
            <span className="soft">
              {name(way.sourceId)} to {name(way.destinationId)}
            </span>
            <Money cents={way.movedInCents} currency={way.currency} />
          </li>
        ))}
      </ul>
      <Link className="button" to={rule.isEnabled ? `/rules/${rule.id}` : `/rules/${rule.id}/review`}>
        {rule.isEnabled ? "Look at the rule" : "Review it"}
      </Link>
    </div>
  );
}

function Replay({
  run,
}: {
  run: {
    id: string;
    title: string;
    at: string;
    moves: readonly { id: string; said: string; status: string; statusWord: string }[];
  };
}) {
  return (
    <div className="stack">
      <h2>
        <Link to={`/runs/${run.id}`}>{run.title}</Link>
      </h2>
      <p className="soft">
        Ran <When at={run.at} />.
      </p>
      {run.moves.length === 0 && <p>It moved nothing.</p>}
      <ol className="stack tight">
        {run.moves.map((move) => (
          <li key={move.id}>
            <Link to={`/transfers/${move.id}`}>{move.said}</Link> <State of={move.status}>{move.statusWord}</State>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** The same facts as rows. */
function Twin({ seen }: { seen: Seen }) {
  const name = (id: string) => <Link to={`/accounts/${id}`}>{seen.nodes.find((node) => node.id === id)?.name}</Link>;
  const title = (id: string) => seen.rules.find((rule) => rule.id === id)?.title;
  return (
    <>
      <Card title="Ways of rules" flush>
        <Table
          caption="Ways of rules, as on the map"
          rows={seen.edges}
          rowKey={(way) => way.id}
          columns={[
            {
              title: "Rule",
              isName: true,
              cell: (way) => <Link to={`/rules/${way.ruleId}`}>{title(way.ruleId)}</Link>,
            },
            { title: "From", cell: (way) => name(way.sourceId) },
            { title: "To", cell: (way) => name(way.destinationId) },
            { title: "How much", cell: (way) => way.label },
            { title: "State", cell: (way) => <WayState way={way} /> },
            amounts("Moved", (way: Way) => [way.movedInCents, way.currency]),
          ]}
        />
      </Card>
      <Card title="Accounts" flush>
        <Table
          caption="Accounts, as on the map"
          rows={seen.nodes}
          rowKey={(node) => node.id}
          columns={[
            { title: "Account", isName: true, cell: (node) => name(node.id) },
            { title: "What it is", cell: (node) => node.kindWord },
            { title: "How it is known", cell: (node) => <Known account={node} /> },
            {
              title: "Target",
              cell: (node) => (node.target ? <Target account={node} says /> : <span className="soft">None</span>),
            },
            amounts("Balance", (node: Account) => [node.balanceInCents, node.currency]),
          ]}
        />
      </Card>
    </>
  );
}
