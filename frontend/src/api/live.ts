/** Live updates: what happened on the server makes what it touched be read again. */
import { useEffect, useState } from "react";
import { say } from "@/parts/Says";
import { BASE } from "./client";
import { queries } from "./session";

/** What an event touches, as the first words of query keys. */
const TOUCHES: Record<string, readonly string[]> = {
  account: ["accounts", "map", "overview"],
  approval: ["approvals", "transfers", "overview"],
  card: ["accounts", "cards"],
  clock: ["session", "sandbox", "overview"],
  execution: ["runs", "rules", "overview", "map", "accounts"],
  organization: ["session", "settings", "overview"],
  rule: ["rules", "overview", "map"],
  webhook: ["webhooks", "deliveries"],
  transfer: ["transfers", "accounts", "overview", "map", "runs"],
};
const TOUCHED = new Set(Object.values(TOUCHES).flat());
const GATHER_MS = 300;
const PATIENCE_MS = 4_000;

/** Listen while the page is open. Gives whether what is seen is live. */
export function useLive(): boolean {
  const [isLive, setLive] = useState(true);
  useEffect(() => {
    const source = new EventSource(`${BASE}/app/events`);
    const touched = new Set<string>();
    let runs = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;

    function flush() {
      timer = undefined;
      void queries.invalidateQueries({ predicate: (query) => touched.has(String(query.queryKey[0])) });
      touched.clear();
      if (runs > 0) say(runs === 1 ? "1 new run" : `${runs} new runs`, "aloud");
      runs = 0;
    }
    function gather(kind: string) {
      for (const key of TOUCHES[kind] ?? [`${kind}s`]) touched.add(key);
      if (kind === "execution") runs += 1;
      timer ??= setTimeout(flush, GATHER_MS);
    }
    let doubt: ReturnType<typeof setTimeout> | undefined;
    let hasOpened = false;
    source.onopen = () => {
      // What happened between a page's first look and this moment is in no event: look again, once.
      if (!hasOpened) {
        hasOpened = true;
        for (const key of TOUCHED) touched.add(key);
        timer ??= setTimeout(flush, GATHER_MS);
      }
      clearTimeout(doubt);
      doubt = undefined;
      setLive(true);
    };
    // The browser connects again by itself; only when that takes long is it worth a word.
    source.onerror = () => {
      doubt ??= setTimeout(() => setLive(false), PATIENCE_MS);
    };
    source.onmessage = (event) => gather((JSON.parse(event.data) as { kind: string }).kind);
    return () => {
      clearTimeout(timer);
      clearTimeout(doubt);
      source.close();
    };
  }, []);
  return isLive;
}
