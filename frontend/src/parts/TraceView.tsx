/** Why a run did what it did: the rule as it ran with the path that was taken, and at each node what was seen and moved. */
import { createContext, type KeyboardEvent, type ReactNode, useContext, useId, useRef, useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { Icon, type IconName } from "./icons";
import { amounts, Money } from "./Money";
import { Card } from "./Page";
import tones from "./parts.module.css";
import { Table } from "./Table";
import styles from "./trace.module.css";
import { When } from "./When";

export type Run = components["schemas"]["RunShown"];
/** Whether a run is drawn from a file: what it names is of wherever it came from, and leads to nothing here. */
export const FromFile = createContext(false);

export function RunLink({ to, children }: { to: string; children: ReactNode }) {
  return useContext(FromFile) ? children : <Link to={to}>{children}</Link>;
}

type Node = Run["nodes"][number];
type Move = Node["moves"][number];
type Rung = Run["ladders"][number]["rungs"][number];

const RESULTS: Record<string, [icon: IconName, tone: string]> = {
  true: ["check", "good"],
  false: ["cross", "idle"],
  unknown: ["warning", "warn"],
  moved: ["check", "good"],
  skipped: ["idle", "idle"],
  incomplete: ["cross", "bad"],
  error: ["cross", "bad"],
};

function markOf(node: Node): [icon: IconName, tone: string] {
  return RESULTS[node.result ?? node.moves[0]?.result ?? ""] ?? ["idle", "idle"];
}

/** The outline and the steps beside it; the steps alone where there is no room for both. Arrow keys walk the outline. */
export function TraceView({ run }: { run: Run }) {
  const firstMove = run.nodes.findIndex((node) => node.moves.length > 0);
  const [at, setAt] = useState(Math.max(0, firstMove));
  const id = useId();
  const outline = useRef<HTMLOListElement>(null);

  function go(to: number) {
    const next = Math.min(Math.max(to, 0), run.nodes.length - 1);
    setAt(next);
    outline.current?.querySelectorAll("button")[next]?.focus();
    document.getElementById(`${id}-${next}`)?.scrollIntoView({ block: "nearest" });
  }
  function onKey(event: KeyboardEvent) {
    const keys: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: run.nodes.length - 1 };
    const to = keys[event.key];
    if (to === undefined) return;
    event.preventDefault();
    go(to);
  }
  return (
    <div className={styles.trace}>
      <nav className={styles.outline} aria-label="The rule as it ran">
        <p className="soft small">{run.trigger}</p>
        <ol className={styles.nodes} ref={outline} onKeyDown={onKey}>
          {run.nodes.map((node, index) => (
            <li key={node.path}>
              <button
                type="button"
                className="bare"
                data-depth={node.depth}
                data-off={!node.isReached || undefined}
                aria-current={index === at ? "true" : undefined}
                tabIndex={index === at ? 0 : -1}
                onClick={() => go(index)}
              >
                <Mark node={node} />
                <span>
                  {node.words}
                  {!node.isReached && <span className="hidden">, not reached</span>}
                </span>
              </button>
            </li>
          ))}
        </ol>
      </nav>
      <ol className={styles.steps}>
        {run.nodes.map((node, index) => (
          <li key={node.path} id={`${id}-${index}`} data-at={index === at || undefined} data-depth={node.depth}>
            <Step node={node} />
          </li>
        ))}
      </ol>
    </div>
  );
}

function Mark({ node }: { node: Node }) {
  const [icon, tone] = markOf(node);
  return (
    <span className={tones[tone]}>
      <Icon name={icon} />
    </span>
  );
}

function Step({ node }: { node: Node }) {
  if (!node.isReached) {
    return (
      <p className={styles.head}>
        <Mark node={node} />
        <span className="soft">{node.words} · not reached</span>
      </p>
    );
  }
  const isAction = node.kind === "action";
  return (
    <div className="stack tight">
      <p className={styles.head}>
        <Mark node={node} />
        <span className={node.kind === "step" ? styles.title : ""}>{isAction ? node.words : node.said}</span>
      </p>
      {node.reportedAt && (
        <p className="soft small">
          As the bank reported it <When at={node.reportedAt} />
          {node.ageInSeconds !== null && `, ${duration(node.ageInSeconds)} before this run`}.
        </p>
      )}
      {node.moves.map((move) => (
        <MoveView key={move.part} move={move} isOneOfMany={node.moves.length > 1} />
      ))}
    </div>
  );
}

function duration(seconds: number): string {
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3_600)} h` : `${Math.round(seconds / 86_400)} days`;
}

/** Asked, limited by, moved. */
function MoveView({ move, isOneOfMany }: { move: Move; isOneOfMany: boolean }) {
  const isFromFile = useContext(FromFile);
  const figures = [
    ["asked", "Asked", move.askedInCents],
    ...move.limits.map((limit) => [limit.reason, "Limited to", limit.toInCents] as const),
    ["moved", "Moved", move.movedInCents],
  ] as const;
  return (
    <div className={styles.move}>
      {isOneOfMany && <p className="small">To {move.destination?.name}</p>}
      <dl>
        {figures.map(([key, name, cents]) => (
          <div key={key}>
            <dt>{name}</dt>
            <dd>
              <Money cents={cents} currency={move.currency} />
            </dd>
          </div>
        ))}
      </dl>
      <p className="soft small">
        {move.said}{" "}
        {move.transferId && !isFromFile && <Link to={`/transfers/${move.transferId}`}>See the transfer</Link>}
      </p>
    </div>
  );
}

/** The balance of each source, going down with every action. */
export function Ladders({ run }: { run: Run }) {
  return run.ladders.map((ladder) => (
    <Card
      key={ladder.account.id}
      title={`Running balance of ${ladder.account.name}`}
      actions={
        <span>
          <span className="soft">began with</span> <Money cents={ladder.startInCents} currency={ladder.currency} />
        </span>
      }
      flush
    >
      <Table
        caption={`The running balance of ${ladder.account.name}`}
        rows={ladder.rungs}
        rowKey={(rung) => `${rung.path}/${rung.part}`}
        columns={[
          { title: "Action", isName: true, cell: (rung) => rung.title },
          amounts("Asked", (rung: Rung) => [rung.askedInCents, ladder.currency]),
          amounts("Moved", (rung: Rung) => [rung.movedInCents, ladder.currency]),
          amounts("Left", (rung: Rung) => [rung.leftInCents, ladder.currency]),
        ]}
      />
    </Card>
  ));
}
