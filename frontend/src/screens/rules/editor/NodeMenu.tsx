/** What can be done with a node besides filling it in: all of it by buttons, so that keys and fingers can, too. */
import { useRef } from "react";
import { Button } from "@/parts/Button";
import { Icon } from "@/parts/icons";
import styles from "../rules.module.css";
import { besideOf, get, type Path, setAside, splice, swap } from "./draft";
import { asideAt, type Clip, copy, type Workbench } from "./workbench";

export type Deed = readonly [word: string, act: (() => void) | false | undefined];
type Around = { count: number; remove: (() => void) | false; double?: (() => void) | undefined };

/** What can be done with any part: one of `count` in a list, or (0) in none. Without `remove` it has to stay. */
export function deedsOf({ definition, shape }: Workbench, kind: Clip["kind"], path: Path, around: Around): Deed[] {
  const { count, remove, double } = around;
  const value = get(definition, path);
  const place = count && (path.at(-1) as number);
  const take = () => copy({ kind, value });
  const next = besideOf(path, 1);
  return [
    ["Move up", place > 0 && (() => shape(swap(definition, path, -1), besideOf(path, -1).join("/")))],
    ["Move down", place < count - 1 && (() => shape(swap(definition, path, 1), next.join("/")))],
    ["Duplicate", double ?? (() => shape(splice(definition, next, 0, value), next.join("/")))],
    ["Set aside", remove && (() => shape(setAside(definition, kind, path), asideAt(definition)))],
    ["Copy", take],
    [
      "Cut",
      remove &&
        (() => {
          take();
          remove();
        }),
    ],
    ["Delete", remove],
  ];
}

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
