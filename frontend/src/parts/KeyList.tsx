/** The page that tells which keys do what, and turns them off. */
import { Dialog } from "./Dialog";
import { CheckField } from "./Fields";
import styles from "./parts.module.css";
import { keep, usePreference } from "./preferences";
import { GOES } from "./Shortcuts";

const KEYS: readonly (readonly [keys: string, word: string])[] = [
  ["Ctrl K", "Find a page, an account, a rule, or something to do"],
  ["/", "Search on the page, or find anything"],
  ...Object.entries(GOES).map(([key, [, word]]) => [`g ${key}`, word] as const),
  ["n", "New: an account, a key, a webhook, an invitation; elsewhere a rule"],
  ["t", "The map as a table, and back"],
  ["[ ]", "Older and newer, where one of many is shown"],
  ["Shift H", "Hide or show amounts"],
  ["?", "This list"],
  ["Esc", "Close"],
];

export function KeysOn() {
  return (
    <CheckField
      label="Single keys do something"
      hint="Turn this off where they get in the way of your own tools. Ctrl K always works."
      checked={usePreference("shortcuts") !== "off"}
      onChecked={(checked) => keep("shortcuts", checked ? "" : "off")}
    />
  );
}

export default function KeyList({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keys" isOpen onClose={onClose}>
      <ul className={styles.keys}>
        {KEYS.map(([keys, word]) => (
          <li key={keys}>
            <span>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </span>
            {word}
          </li>
        ))}
      </ul>
      <KeysOn />
    </Dialog>
  );
}
