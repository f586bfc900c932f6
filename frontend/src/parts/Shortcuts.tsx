/** Keys that go to places and do things. They can be turned off, and never act while something is typed. */
import { lazy, Suspense, useEffect, useRef } from "react";
import { useNavigate } from "react-router";
import { usePerson } from "@/api/session";
import { keep, usePreference } from "./preferences";

const Find = lazy(() => import("./Find"));
const KeyList = lazy(() => import("./KeyList"));

export const GOES: Record<string, readonly [to: string, word: string]> = {
  i: ["/", "Overview: what needs you"],
  m: ["/map", "Map"],
  a: ["/accounts", "Accounts"],
  r: ["/rules", "Rules"],
  x: ["/runs", "Runs"],
};
const SECOND_KEY_MS = 1_200;

/** Whether a key is meant for what has the focus. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return event.ctrlKey || event.metaKey || event.altKey || Boolean(target.closest?.("input, select, textarea, dialog"));
}

/** Which dialog is open: the list of keys, or that in which anything is found. */
export type Shown = "keys" | "find" | undefined;

export function Keys({ shown, show }: { shown: Shown; show: (shown: Shown) => void }) {
  const isOn = usePreference("shortcuts") !== "off";
  const isPrivate = usePreference("private") === "yes";
  const mayWrite = usePerson().role !== "VIEWER";
  const goAt = useRef(0);
  const navigate = useNavigate();
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if ((event.ctrlKey || event.metaKey) && event.key === "k" && !document.querySelector("dialog[open]")) {
        event.preventDefault();
        show("find");
      }
      if (!isOn || isTyping(event)) return;
      const place = Date.now() - goAt.current < SECOND_KEY_MS ? GOES[event.key] : undefined;
      goAt.current = event.key === "g" ? Date.now() : 0;
      if (place) void navigate(place[0]);
      else if (event.key === "?") show("keys");
      else if (event.key === "H") keep("private", isPrivate ? "" : "yes");
      else if (/^[a-z]$/.test(event.key)) {
        // A page's own keys are on its buttons.
        const button = document.querySelector<HTMLElement>(`main [aria-keyshortcuts="${event.key}"]`);
        if (button) button.click();
        else if (event.key === "n" && mayWrite && !document.querySelector("main [aria-busy]"))
          void navigate("/rules/new");
      } else if (event.key === "/") {
        event.preventDefault();
        const search = document.querySelector<HTMLElement>("main input[type=search]");
        if (search) search.focus();
        else show("find");
      }
    }
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [isOn, isPrivate, mayWrite, show, navigate]);
  return (
    <Suspense>
      {shown === "find" && <Find onClose={() => show(undefined)} />}
      {shown === "keys" && <KeyList onClose={() => show(undefined)} />}
    </Suspense>
  );
}
