/** A state: always a picture, a colour and its word. */
import { Icon, type IconName } from "./icons";
import styles from "./parts.module.css";

export type Tone = "good" | "bad" | "warn" | "wait" | "idle" | "note";

const ICONS: Record<Tone, IconName> = {
  good: "check",
  bad: "cross",
  warn: "warning",
  wait: "clock",
  idle: "pause",
  note: "note",
};

/** How the states of things look; the words are the server's, or these where it sends only the state. */
const KNOWN: Record<string, [Tone, string]> = {
  enabled: ["good", "Enabled"],
  disabled: ["idle", "Off"],
  moved: ["good", "Moved"],
  moved_in_part: ["warn", "Moved in part"],
  nothing_to_move: ["idle", "Nothing to move"],
  conditions_not_met: ["idle", "Conditions not met"],
  waiting: ["wait", "Waiting"],
  blocked_by_limit: ["warn", "Blocked by a limit"],
  cancelled: ["idle", "Cancelled"],
  failed: ["bad", "Failed"],
  simulated: ["note", "Simulated"],
  complete: ["good", "Complete"],
  processing: ["wait", "Processing"],
  pending: ["wait", "Pending"],
  pending_approval: ["wait", "Waits for approval"],
  incomplete: ["bad", "Not enough money"],
  error: ["bad", "Failed"],
  delivered: ["good", "Delivered"],
  active: ["good", "Active"],
  revoked: ["idle", "Revoked"],
};

type Props = { of?: string; tone?: Tone; children?: React.ReactNode };

/** `of` is a state as the server names it; `tone` and the words inside say more than the table does. */
export function State({ of = "", tone, children }: Props) {
  const [knownTone, word] = KNOWN[of.toLowerCase()] ?? ["note", of.replaceAll("_", " ").toLowerCase()];
  const shown = tone ?? knownTone;
  return (
    <span className={`${styles.state} ${styles[shown]}`}>
      <Icon name={ICONS[shown]} />
      {children ?? word}
    </span>
  );
}
