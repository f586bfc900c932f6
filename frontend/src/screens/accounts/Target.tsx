/** How far an account is from what somebody wants in it: a bar, a word, and on request the whole sentence. */
import { State, type Tone } from "@/parts/State";
import type { Account } from "./accounts";
import styles from "./accounts.module.css";

const TONES: Record<string, Tone> = { MET: "good", ON_PACE: "good", BEHIND: "warn", BELOW: "wait", UNKNOWN: "idle" };

export function Target({ account: { target }, says }: { account: Account; says?: boolean }) {
  if (!target) return null;
  return (
    <div className="stack tight">
      <meter className={styles.bar} min={0} max={100} value={target.percent} aria-label={target.said} />
      <span className="small">
        <State tone={TONES[target.pace] ?? "note"}>{target.word}</State>
        {says && <span className="soft"> {target.said}</span>}
      </span>
    </div>
  );
}

const KNOWN: Record<string, Tone> = { KEPT: "good", FRESH: "good", OLD: "warn", UNKNOWN: "warn", DISCONNECTED: "bad" };

/** How well a balance is known. */
export function Known({ account: { freshness } }: { account: Account }) {
  return <State tone={KNOWN[freshness.state] ?? "note"}>{freshness.said}</State>;
}
