/** What can be done with a node besides filling it in: all of it by buttons, so that keys and fingers can, too. */
import { useRef } from "react";
import { Button } from "@/parts/Button";
import { Icon } from "@/parts/icons";
import styles from "../rules.module.css";

export type Deed = readonly [word: string, act: (() => void) | false | undefined];

export function NodeMenu({ of, deeds }: { of: string; deeds: readonly Deed[] }) {
  const menu = useRef<HTMLDetailsElement>(null);
  function close(focusBack: boolean) {
    if (!menu.current?.open) return;
    menu.current.open = false;
    if (focusBack) menu.current.querySelector("summary")?.focus();
  }
  return (
    <details
      ref={menu}
      className={styles.menu}
      onKeyDown={(event) => event.key === "Escape" && close(true)}
      onBlur={(event) => !event.currentTarget.contains(event.relatedTarget) && close(false)}
    >
      <summary className="button quiet" aria-label={`More for ${of}`}>
        <Icon name="more" />
      </summary>
      <div>
        {deeds.map(
          ([word, act]) =>
            act && (
              <Button
                key={word}
                act={word}
                look="quiet"
                onClick={() => {
                  close(false);
                  act();
                }}
              />
            ),
        )}
      </div>
    </details>
  );
}
