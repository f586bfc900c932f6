/** Parts that are set aside: in no revision, so they do nothing, and here to be put back. */
import { Button, Card, TextField } from "@/parts";
import styles from "../rules.module.css";
import { asidesOf, putBack } from "./draft";
import { nodeId, useWorkbench } from "./workbench";

const KINDS = { condition: "condition", action: "move", step: "step" };

export function Asides() {
  const { definition, checked, put, shape } = useWorkbench();
  const asides = asidesOf(definition);
  if (!asides.length) return null;
  const rest = (index: number) => ({ ...definition, set_aside: asides.filter((_, place) => place !== index) });
  return (
    <Card title="Set aside">
      <div className="stack">
        <p className="soft small">These parts are kept with the rule and do nothing until they are put back.</p>
        {asides.map((aside, index) => {
          const at = `set_aside/${index}`;
          const name = `${KINDS[aside.kind]} ${index + 1} that is set aside`;
          return (
            // biome-ignore lint/suspicious/noArrayIndexKey: a part is named by its place.
            <div key={index} className={styles.node} id={nodeId(at)} tabIndex={-1} role="group" aria-label={name}>
              <p>{checked?.setAside[index] ?? `A ${KINDS[aside.kind]}`}</p>
              <TextField
                label="Why"
                maxLength={500}
                value={aside.note ?? ""}
                onValue={(note) => put(["set_aside", index, "note"], note || null)}
              />
              <div className="row">
                <Button act="Put back" onClick={() => shape(...putBack(definition, index))} />
                <Button act="Delete" look="quiet" onClick={() => shape(rest(index))} />
              </div>
            </div>
          );
        })}
      </div>
    </Card>
  );
}
