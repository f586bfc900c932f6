/** Runs of rules: found by rule, ending, account and time, a page at a time. */
import { Link } from "react-router";
import type { components } from "@/api/app";
import { api, ask } from "@/api/client";
import { Button, Card, Empty, Loaded, Page, SelectField, State, Sums, Table, When } from "@/parts";
import { useAccounts, useFilter, usePage, useRules } from "./choices";
import { Pager } from "./Pager";
import styles from "./runs.module.css";

type Run = components["schemas"]["RunListed"];
const ENDINGS = [
  ["", "Any ending"],
  ["MOVED", "Moved"],
  ["MOVED_IN_PART", "Moved in part"],
  ["WAITING", "Waiting"],
  ["CONDITIONS_NOT_MET", "Conditions not met"],
  ["NOTHING_TO_MOVE", "Nothing to move"],
  ["BLOCKED_BY_LIMIT", "Blocked by a limit"],
  ["CANCELLED", "Cancelled"],
  ["FAILED", "Failed"],
] as const;
const MODES = [
  ["", "Any kind"],
  ["LIVE", "Only real"],
  ["SIMULATION", "Only simulated"],
] as const;
const PERIODS = [
  ["", "Any time"],
  ["1", "Last day"],
  ["7", "Last 7 days"],
  ["31", "Last 31 days"],
] as const;

export default function Runs() {
  const filter = useFilter();
  const rules = useRules();
  const accounts = useAccounts();
  const query = {
    ...(filter.of("rule") && { ruleId: filter.of("rule") }),
    ...(filter.of("account") && { accountId: filter.of("account") }),
    ...(filter.of("ending") && { ending: filter.of("ending") as Run["ending"] }),
    ...(filter.of("mode") && { mode: filter.of("mode") as "LIVE" }),
    ...(filter.of("days") && { from: daysAgo(Number(filter.of("days")), rules.now) }),
    limit: 50,
  };
  const runs = usePage(["runs", query], (cursor) =>
    ask(api.GET("/app/runs", { params: { query: { ...query, ...(cursor && { cursor }) } } })),
  );
  return (
    <Page
      title="Runs"
      intro="What rules did, newest first, and why."
      actions={
        <Link className="button quiet" to="/runs/file">
          Open a file
        </Link>
      }
    >
      <div className={styles.filters}>
        <SelectField label="Rule" value={filter.of("rule")} onValue={filter.set("rule")} options={rules.options} />
        <SelectField label="Ending" value={filter.of("ending")} onValue={filter.set("ending")} options={ENDINGS} />
        <SelectField
          label="Account"
          value={filter.of("account")}
          onValue={filter.set("account")}
          options={accounts.options}
        />
        <SelectField label="When" value={filter.of("days")} onValue={filter.set("days")} options={PERIODS} />
        <SelectField label="Kind" value={filter.of("mode")} onValue={filter.set("mode")} options={MODES} />
      </div>
      <Loaded query={runs}>
        {({ data: found, nextCursor }) =>
          found.length === 0 && !nextCursor && !filter.of("cursor") ? (
            <Empty icon="runs" title={filter.isEmpty ? "No rule has run yet" : "No run is like this"}>
              {filter.isEmpty ? (
                <Link to="/rules">Look at the rules</Link>
              ) : (
                <Button act="Show all runs" onClick={filter.clear} />
              )}
            </Empty>
          ) : (
            <Card flush>
              {found.length > 0 && <RunTable runs={found} />}
              {found.length === 0 && <p className="soft">None among those looked through. There may be older ones.</p>}
              <Pager next={nextCursor} />
            </Card>
          )
        }
      </Loaded>
    </Page>
  );
}

function daysAgo(days: number, now: string): string {
  return new Date(Date.parse(now) - days * 86_400_000).toISOString().replace(/:\d\d\.\d+/, ":00");
}

export function RunTable({ runs }: { runs: readonly Run[] }) {
  return (
    <Table
      caption="Runs, newest first"
      rows={runs}
      rowKey={(run) => run.id}
      columns={[
        { title: "Rule", isName: true, cell: (run) => <Link to={`/runs/${run.id}`}>{run.rule.name}</Link> },
        {
          title: "When",
          cell: (run) => <When at={run.createdAt} />,
        },
        { title: "Ending", cell: (run) => <State of={run.ending}>{run.endingWord}</State> },
        { title: "What happened", cell: (run) => run.said },
        { title: "Moved", align: "end", cell: (run) => <Sums sums={run.moved} /> },
      ]}
    />
  );
}
