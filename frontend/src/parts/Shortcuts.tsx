/** Keys that go to places, and the page that tells which. They can be turned off, and never act while something is typed. */
import { useEffect, useRef, useState } from "react";
import { useNavigate } from "react-router";
import { Dialog } from "./Dialog";
import { CheckField } from "./Fields";
import { keep, usePreference } from "./preferences";

const GOES: Record<string, readonly [to: string, word: string]> = {
  i: ["/", "Overview: what needs you"],
  m: ["/map", "Map"],
  a: ["/accounts", "Accounts"],
  r: ["/rules", "Rules"],
  x: ["/runs", "Runs"],
};
const OTHERS = [
  ["?", "This list"],
  ["Shift H", "Hide or show amounts"],
  ["[ ]", "Older and newer, where one of many is shown"],
  ["Esc", "Close"],
] as const;
const SECOND_KEY_MS = 1_200;

/** Whether a key is meant for what has the focus. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  return event.ctrlKey || event.metaKey || event.altKey || Boolean(target.closest?.("input, select, textarea, dialog"));
}

export function Keys() {
  const [isOpen, setOpen] = useState(false);
  const isOn = usePreference("shortcuts") !== "off";
  const isPrivate = usePreference("private") === "yes";
  const goAt = useRef(0);
  const navigate = useNavigate();
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if (!isOn || isTyping(event)) return;
      const place = Date.now() - goAt.current < SECOND_KEY_MS ? GOES[event.key] : undefined;
      goAt.current = event.key === "g" ? Date.now() : 0;
      if (place) void navigate(place[0]);
      else if (event.key === "?") setOpen(true);
      else if (event.key === "H") keep("private", isPrivate ? "" : "yes");
    }
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [isOn, isPrivate, navigate]);
  return (
    <Dialog title="Keys" isOpen={isOpen} onClose={() => setOpen(false)}>
      <ul className="stack tight">
        {Object.entries(GOES).map(([key, [, word]]) => (
          <li key={key} className="row">
            <kbd>g</kbd> <kbd>{key}</kbd> {word}
          </li>
        ))}
        {OTHERS.map(([key, word]) => (
          <li key={key} className="row">
            <kbd>{key}</kbd> {word}
          </li>
        ))}
      </ul>
      <CheckField
        label="Single keys do something"
        hint="Turn this off where they get in the way of your own tools."
        checked={isOn}
        onChecked={(checked) => keep("shortcuts", checked ? "" : "off")}
      />
    </Dialog>
  );
}
