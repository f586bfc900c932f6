/** One run: how it ended, the path it took, what it saw, and what it asked for, lost and moved. */
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { answered, api, at, BASE } from "@/api/client";
import { amounts, Card, Facts, Icon, LoadedPage, Page, State, Table, When } from "@/parts";
import { usePreference } from "@/parts/preferences";
import { isTyping } from "@/parts/Shortcuts";
import { Ladders, RunLink, type Run as RunShown, TraceView } from "@/parts/TraceView";
import { RunNow } from "../rules/RunNow";
import styles from "./runs.module.css";

const TURN_MS = 1_000;

export function useRun(id: string) {
  return useQuery({
    queryKey: ["runs", id],
    queryFn: () => answered(api.GET("/app/runs/{id}", at(id))),
    enabled: id !== "",
    // It may have its turn while this page is still being opened, and nobody tells what was before that.
    refetchInterval: ({ state }) => (state.data?.waits.some((wait) => wait.kind === "TURN") ? TURN_MS : false),
  });
}

export default function Run() {
  const { id = "" } = useParams();
  const query = useRun(id);
  // Another run begins anew: what was chosen in the one before says nothing here.
  return <LoadedPage query={query}>{(run) => <RunPage key={id} run={run} />}</LoadedPage>;
}

function RunPage({ run }: { run: RunShown }) {
  useNeighbourKeys(run);
  return (
    <Page title={run.rule.name} intro={run.said} actions={<Actions run={run} />}>
      <div className="row">
        <State of={run.ending}>{run.endingWord}</State>
        {run.isSimulation && run.ending !== "SIMULATED" && <State of="simulated" />}
        <nav className={styles.neighbours} aria-label="Runs of this rule">
          {run.olderId ? <Link to={`/runs/${run.olderId}`}>Older</Link> : <span className="soft">Oldest</span>}
          {run.newerId ? <Link to={`/runs/${run.newerId}`}>Newer</Link> : <span className="soft">Newest</span>}
        </nav>
      </div>
      {run.isSimulation && <Simulated />}
      {run.changedSince && (
        <p className={styles.banner}>
          <Icon name="note" />
          <span>{run.changedSince}</span>
          {run.revisionNow && <Link to={`/rules/${run.rule.id}/history`}>See what changed</Link>}
        </p>
      )}
      {/^(FAILED|MOVED_IN_PART)$/.test(run.ending) && !run.isSimulation && (
        <p className={styles.banner}>
          <Icon name="note" />
          <span>What failed is final, and is not sent again. Another try is a new run, with the balances of then.</span>
        </p>
      )}
      <RunParts run={run} />
    </Page>
  );
}

export function Simulated() {
  return (
    <p className={styles.simulated}>
      <Icon name="simulate" />
      <span>
        <strong>Simulated.</strong> No money has moved.
      </span>
    </p>
  );
}

/** Everything but the page around it, so that what is only tried looks the same. */
export function RunParts({ run }: { run: RunShown }) {
  return (
    <>
      {run.waits.length > 0 && (
        <Card title="It waits">
          <ul className="stack tight">
            {run.waits.map((wait) => (
              <li key={wait.kind} className="row">
                <Icon name="clock" /> For {wait.said}
                {wait.until && <When at={wait.until} exact />}
                {wait.kind === "APPROVAL" && <RunLink to="/approvals">Approvals</RunLink>}
              </li>
            ))}
          </ul>
          <p className="soft small">Then it goes on by itself, with the same payments.</p>
        </Card>
      )}
      <Card title="Why">
        {!run.nodes.some((node) => node.isReached) && (
          <p className="soft">{run.explanation[0] ?? "No step has been tried."}</p>
        )}
        <TraceView run={run} />
      </Card>
      <Ladders run={run} />
      {run.transfers.length > 0 && run.id && (
        <Card title="Transfers" flush>
          <Table
            caption="The transfers that this run made"
            rows={run.transfers}
            rowKey={(transfer) => transfer.id}
            columns={[
              {
                title: "From and to",
                isName: true,
                cell: (transfer) => (
                  <RunLink to={`/transfers/${transfer.id}`}>
                    {transfer.source.name} → {transfer.destination.name}
                  </RunLink>
                ),
              },
              { title: "State", cell: (transfer) => <State of={transfer.status}>{transfer.said}</State> },
              amounts("Amount", (transfer: RunShown["transfers"][number]) => [
                transfer.amountInCents,
                transfer.currency,
              ]),
            ]}
          />
        </Card>
      )}
      <div className="columns">
        <Card title="About this run">
          <Facts
            facts={[
              ["Started", <When key="started" at={run.createdAt} exact />],
              [
                "Because",
                run.causeTransferId ? (
                  <RunLink key="cause" to={`/transfers/${run.causeTransferId}`}>
                    {run.cause}
                  </RunLink>
                ) : (
                  run.cause
                ),
              ],
              run.lateInSeconds !== null && ["Planned for", <When key="planned" at={run.scheduledFor} exact />],
              Boolean(run.finishedAt && run.id) && ["Finished", <When key="finished" at={run.finishedAt} exact />],
              run.revision > 0 && [
                "Rule",
                run.rule.id ? (
                  <RunLink key="rule" to={`/rules/${run.rule.id}`}>
                    Version {run.revision}
                  </RunLink>
                ) : (
                  "A draft"
                ),
              ],
            ]}
          />
        </Card>
        <Card title="The rule as it ran">
          <div className="stack tight">
            {run.sentences.map((sentence) => (
              <p key={sentence} className={sentence.startsWith("- ") ? styles.item : undefined}>
                {sentence.replace(/^- /, "")}
              </p>
            ))}
          </div>
        </Card>
      </div>
    </>
  );
}

/** Two things that are not the same, and neither is "again": a new run, and a look at what today's rule would do. */
function Actions({ run }: { run: RunShown }) {
  return (
    <>
      {run.can.includes("tryToday") && (
        <Link className="button" to={`/simulate?rule=${run.rule.id}&run=${run.id}`}>
          Try with today’s rule
        </Link>
      )}
      {run.can.includes("runAgain") && run.rule.id && (
        <RunNow
          ruleId={run.rule.id}
          word="Run again now"
          intro="This is a new run with the balances of now, not the old one again."
          amountInCents={run.amountInCents}
        />
      )}
      <a className="button quiet" href={`${BASE}/app/runs/${run.id}/trace`} download={`${run.id}.json`}>
        <Icon name="down" /> JSON
      </a>
    </>
  );
}

function useNeighbourKeys({ olderId, newerId }: RunShown) {
  const navigate = useNavigate();
  const isOn = usePreference("shortcuts") !== "off";
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      const to = event.key === "[" ? olderId : event.key === "]" ? newerId : null;
      if (to && isOn && !isTyping(event)) void navigate(`/runs/${to}`);
    }
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [olderId, newerId, isOn, navigate]);
}
