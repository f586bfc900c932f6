/** One polite place for what happened: read aloud, and shown for a moment. */
import { useSyncExternalStore } from "react";
import styles from "./parts.module.css";

type Said = { id: number; text: string; how: "shown" | "aloud" };
let current: Said | undefined;
let count = 0;
const listeners = new Set<() => void>();
const SHOWN_MS = 6_000;

/** Say something. "aloud" is for what the page shows anyway: only screen readers hear it. */
export function say(text: string, how: Said["how"] = "shown"): void {
  count += 1;
  const said = { id: count, text, how };
  const tell = (next: Said | undefined) => {
    current = next;
    for (const listener of listeners) listener();
  };
  tell(said);
  setTimeout(() => current === said && tell(undefined), SHOWN_MS);
}

export function Says() {
  const said = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );
  return (
    <div role="status" className={said?.how === "shown" ? styles.toast : "hidden"}>
      {said?.text}
    </div>
  );
}
