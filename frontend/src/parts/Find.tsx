/** Go anywhere by typing some of its name: pages, accounts, rules, and what can be done. */
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { answered, api } from "@/api/client";
import { useOrganization, usePerson } from "@/api/session";
import { Dialog } from "./Dialog";
import styles from "./parts.module.css";
import { keep, usePreference } from "./preferences";
import { PLACES } from "./Shell";

type Goal = readonly [word: string, kind: string, to: string, who?: "WRITER" | "ADMIN"];
const MOST = 8;
const HINT = "A page, an account, a rule, or something to do";
const MORE: readonly Goal[] = [
  ["Backtest", "Page", "/simulate/backtest"],
  ["Forecast", "Page", "/simulate/forecast"],
  ["Webhooks", "Page", "/developers/webhooks"],
  ["Audit log", "Page", "/developers/audit-log"],
  ["People", "Page", "/settings/people"],
  ["Security: passkeys, codes, sessions", "Page", "/settings/security"],
  ["New rule", "Do", "/rules/new", "WRITER"],
  ["New account", "Do", "/accounts#new", "WRITER"],
  ["New API key", "Do", "/developers#new", "ADMIN"],
  ["New webhook", "Do", "/developers/webhooks#new", "ADMIN"],
  ["Invite somebody", "Do", "/settings/people#new", "ADMIN"],
  ["Pause everything, or resume", "Do", "/settings", "ADMIN"],
];
const PRIVATE = "private";

/** Those with every word that was typed in their name; what begins with it comes first. */
function found(goals: readonly Goal[], typed: string): Goal[] {
  const text = typed.trim().toLowerCase();
  const words = text.split(/\s+/);
  const fitting = goals.filter(([name, kind]) => words.every((word) => `${name} ${kind}`.toLowerCase().includes(word)));
  const starts = (goal: Goal) => (goal[0].toLowerCase().startsWith(text) ? 0 : 1);
  return fitting.sort((a, b) => starts(a) - starts(b)).slice(0, MOST);
}

export default function Find({ onClose }: { onClose: () => void }) {
  const navigate = useNavigate();
  const { role } = usePerson();
  const { isSandbox } = useOrganization();
  const isPrivate = usePreference("private") === "yes";
  const [typed, setTyped] = useState("");
  const [at, setAt] = useState(0);
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  const period = "LAST_30_DAYS";
  const { data } = useQuery({
    queryKey: ["map", period],
    queryFn: () => answered(api.GET("/app/map", { params: { query: { period } } })),
  });
  const goals = found(
    [
      ...PLACES.filter(([to]) => isSandbox || to !== "/sandbox").map(([to, word]) => [word, "Page", to] as const),
      ...MORE.filter(([, , , who]) => !who || who === role || role === "ADMIN"),
      [isPrivate ? "Show amounts" : "Hide amounts", "Do", PRIVATE],
      ...(data?.nodes ?? []).map((node) => [node.name, node.kindWord, `/accounts/${node.id}`] as const),
      ...(data?.rules ?? []).map((rule) => [rule.title, "Rule", `/rules/${rule.id}`] as const),
    ],
    typed,
  );
  const chosen = Math.min(at, goals.length - 1);
  useEffect(() => {
    document.getElementById(`${id}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [id, chosen]);
  function go(goal: Goal | undefined) {
    if (!goal) return;
    onClose();
    if (goal[2] === PRIVATE) keep("private", isPrivate ? "" : "yes");
    else void navigate(goal[2]);
  }
  function onKey(event: KeyboardEvent) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") go(goals[chosen]);
    else if (step) setAt((chosen + step + goals.length) % Math.max(goals.length, 1));
    else return;
    event.preventDefault();
  }
  return (
    <Dialog title="Find" isOpen onClose={onClose}>
      <input
        ref={input}
        type="text"
        role="combobox"
        aria-label={HINT}
        placeholder={HINT}
        aria-expanded={goals.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={goals.length > 0 ? `${id}-${chosen}` : undefined}
        autoComplete="off"
        value={typed}
        onKeyDown={onKey}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
      />
      <div role="listbox" id={`${id}-list`} aria-label="Found" className={styles.found}>
        {goals.map((goal, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are those of the field above, which keeps the focus.
          <div
            key={goal[2] + goal[0]}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => go(goal)}
          >
            {goal[0]} <span className="soft small">{goal[1]}</span>
          </div>
        ))}
      </div>
      {goals.length === 0 && <p role="status">Nothing here is called that.</p>}
    </Dialog>
  );
}
