/** What the server says of a rule: line by line, what is wrong or odd, what changed, and what it would do. */
import { amounts, Card, Icon, State, Table } from "@/parts";
import { Notice } from "@/parts/Notice";
import type { Change, Finding, Line, Oddity, Tested, Tried } from "./api";
import styles from "./rules.module.css";

/** The rule in words, each node on a line of its own, indented and numbered as it nests. */
export function Outline({ lines, findings = [] }: { lines: readonly Line[]; findings?: readonly Finding[] }) {
  return (
    <ol className={styles.outline}>
      {lines.map((line) => (
        <li key={line.path} data-kind={line.kind} data-depth={line.depth}>
          <span className={line.kind === "action" ? styles.deed : ""}>
            {line.kind === "action" && <Icon name="transfers" />}
            <span>{line.text}</span>
          </span>
          {findings
            .filter((finding) => nodeOf(finding.path, lines) === line.path)
            .map((finding) => (
              <Says key={finding.code} finding={finding} />
            ))}
        </li>
      ))}
    </ol>
  );
}

/** The nearest line that a path belongs to. */
function nodeOf(path: string, lines: readonly Line[]): string | undefined {
  const paths = new Set(lines.map((line) => line.path));
  for (let at = path; at; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) if (paths.has(at)) return at;
  return undefined;
}

export function Says({ finding }: { finding: Finding }) {
  const isError = finding.severity === "error";
  return (
    <span className={isError ? styles.error : styles.warning}>
      <Icon name={isError ? "cross" : "warning"} />
      <span>
        <span className="hidden">{isError ? "Problem: " : "Mind: "}</span>
        {finding.message}
      </span>
    </span>
  );
}

/** Warnings about names that could pretend to be others. */
export function Oddities({ oddities }: { oddities: readonly Oddity[] }) {
  if (!oddities.length) return null;
  return (
    <Notice tone="bad" title="Look closely at these names">
      <ul>
        {oddities.map((oddity) => (
          <li key={oddity.message}>{oddity.message}</li>
        ))}
      </ul>
    </Notice>
  );
}

const KINDS: Record<string, string> = { added: "Added", removed: "Taken out", changed: "Changed", moved: "Moved" };

export function Changes({ changes }: { changes: readonly Change[] }) {
  return (
    <ul className={styles.changes}>
      {changes.map((change) => (
        <li key={change.kind + change.path} data-kind={change.kind}>
          <strong>{KINDS[change.kind] ?? change.kind}</strong>
          {change.before && change.kind !== "moved" && <del>{change.before}</del>}
          {change.after && <ins>{change.after}</ins>}
        </li>
      ))}
    </ul>
  );
}

/** How the tests that are kept with a rule come out. */
export function Tests({ title, tests }: { title: string; tests: readonly Tested[] }) {
  if (!tests.length) return null;
  return (
    <Card title={title}>
      <ul className="stack tight">
        {tests.map((test) => (
          <li key={test.id}>
            <Passing isPassed={test.isPassed} /> {test.name}
            {!test.isPassed && <span className="soft"> · {test.said}</span>}
          </li>
        ))}
      </ul>
    </Card>
  );
}

export function Passing({ isPassed }: { isPassed: boolean }) {
  return <State tone={isPassed ? "good" : "bad"}>{isPassed ? "Passes" : "Fails"}</State>;
}

/** What a rule would do now: the story, and each account before and after. */
export function Rehearsal({ tried }: { tried: Tried }) {
  return (
    <div className="stack">
      <p>
        <strong>{tried.endingSaid}</strong>
      </p>
      <ul className={styles.story}>
        {tried.explanation.map((line, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the lines of one story, which never change places.
          <li key={index} data-depth={(line.length - line.trimStart().length) / 2}>
            {line.trimStart()}
          </li>
        ))}
      </ul>
      {tried.effects.length > 0 && (
        <Table
          caption="What is there before and after"
          rows={tried.effects}
          rowKey={(effect) => effect.accountId}
          columns={[
            { title: "Account", isName: true, cell: (effect) => effect.name },
            amounts("Before", (effect: Tried["effects"][number]) => [effect.beforeInCents, effect.currency]),
            amounts("After", (effect: Tried["effects"][number]) => [effect.afterInCents, effect.currency]),
          ]}
        />
      )}
      {tried.setsOff.length > 0 && (
        <p className="soft">It would set off: {tried.setsOff.map((rule) => rule.name).join(", ")}.</p>
      )}
    </div>
  );
}
