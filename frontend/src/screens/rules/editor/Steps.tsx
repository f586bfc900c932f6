/** Steps, each an if with its then; and the moves of a step. */
import { Button, Card, SelectField } from "@/parts";
import type { Definition, Form } from "../api";
import styles from "../rules.module.css";
import { Says } from "../Told";
import { Conditions } from "./Conditions";
import { blank, get, keysOf, type Path, put, splice } from "./draft";
import { FormFields, type Place } from "./FormFields";
import { deedsOf, NodeMenu } from "./NodeMenu";
import { findingsAt, nodeId, pasted, problemAt, useWorkbench } from "./workbench";

export function newAction(form: Form | undefined): Definition {
  return form ? { type: form.type, ...blank(form.fields) } : {};
}

export function Steps() {
  const bench = useWorkbench();
  const { words, definition, shape } = bench;
  const steps = (definition.steps ?? []) as Definition[];
  const add = (value: unknown) => shape(splice(definition, ["steps", steps.length], 0, value), `steps/${steps.length}`);
  const last = steps.at(-1);
  const clip = pasted("step");
  return (
    <>
      {steps.map((_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a step is named by its place.
        <Step key={index} index={index} count={steps.length} />
      ))}
      <div className="row">
        {last?.conditions ? (
          <Button
            act="Add an otherwise"
            icon="plus"
            onClick={() => add({ conditions: null, actions: [newAction(words.actions[0])] })}
          />
        ) : (
          <span className="soft small">Give the last step a condition, and there can be an “otherwise”.</span>
        )}
        {clip !== undefined && <Button act="Paste a step" look="quiet" onClick={() => add(clip)} />}
      </div>
    </>
  );
}

function Step({ index, count }: { index: number; count: number }) {
  const bench = useWorkbench();
  const { words, definition, shape } = bench;
  const path: Path = ["steps", index];
  const value = get(definition, path) as Definition;
  const actions = (value.actions ?? []) as Definition[];
  const at = path.join("/");
  const add = (action: unknown) => {
    const place = [...path, "actions", actions.length];
    shape(splice(definition, place, 0, action), place.join("/"));
  };
  const remove = () => shape(splice(definition, path, 1), `steps/${Math.max(0, index - 1)}`);
  const clip = pasted("action");
  const title = value.conditions ? (index === 0 ? "If" : "Otherwise, if") : index === 0 ? "Always" : "Otherwise";
  const name = `step ${index + 1}`;
  return (
    <div id={nodeId(at)} tabIndex={-1} role="group" aria-label={name}>
      <Card
        title={title}
        actions={<NodeMenu of={name} deeds={deedsOf(bench, "step", path, { count, remove: count > 1 && remove })} />}
      >
        <div className={styles.step}>
          <Conditions path={[...path, "conditions"]} />
          {findingsAt(bench, [at, `${at}/actions`]).map((finding) => (
            <Says key={finding.code} finding={finding} />
          ))}
          <fieldset className={styles.part}>
            <legend>Then</legend>
            {actions.map((_, place) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a move is named by its place.
              <Action key={place} path={[...path, "actions", place]} count={actions.length} />
            ))}
            <div className="row">
              <Button act="Add a move" icon="plus" onClick={() => add(newAction(words.actions[0]))} />
              {clip !== undefined && <Button act="Paste a move" look="quiet" onClick={() => add(clip)} />}
            </div>
          </fieldset>
        </div>
      </Card>
    </div>
  );
}

function Action({ path, count }: { path: Path; count: number }) {
  const bench = useWorkbench();
  const { words, definition, shape } = bench;
  const value = get(definition, path) as Definition;
  const form = words.actions.find((each) => each.type === value.type);
  const at = path.join("/");
  const place = path.at(-1) as number;
  const step = path.slice(0, 2);
  const remove = () => shape(splice(definition, path, 1), step.join("/"));
  const where: Place = {
    accounts: words.accounts,
    zones: words.zones,
    currency: bench.currencyOf(value.source),
    problem: (path) => problemAt(bench, path),
  };
  const fields = form?.fields ?? [];
  const shared = { value, path: at, place: where, onValue: (changed: Definition) => bench.put(path, changed) };
  const name = `move ${place + 1} of ${step.length ? `step ${(path[1] as number) + 1}` : ""}`;
  return (
    <div className={styles.node} id={nodeId(at)} tabIndex={-1} role="group" aria-label={name}>
      <div className={styles.nodeHead}>
        <span className={styles.number}>{place + 1}</span>
        <NodeMenu of={name} deeds={deedsOf(bench, "action", path, { count, remove: count > 1 && remove })} />
      </div>
      <SelectField
        label="What to do"
        hint={form?.help}
        value={String(value.type ?? "")}
        error={problemAt(bench, `${at}/type`)}
        options={words.actions.map((each) => [each.type, each.label] as const)}
        onValue={(type) => {
          const next = words.actions.find((each) => each.type === type);
          const known = new Set(keysOf(next?.fields ?? []));
          // What both kinds ask for stays: from where, to where, limits.
          const stays = Object.entries(value).filter(([key, given]) => known.has(key) && given !== null);
          shape(put(definition, path, { ...newAction(next), ...Object.fromEntries(stays), type }) as Definition, at);
        }}
      />
      <div className="fields">
        <FormFields {...shared} fields={fields.filter((field) => field.isRequired)} />
      </div>
      <details
        className={styles.more}
        open={fields.some((field) => !field.isRequired && isSet(field.default, value[field.key]))}
      >
        <summary>Limits and more</summary>
        <div className="fields">
          <FormFields {...shared} fields={fields.filter((field) => !field.isRequired)} />
        </div>
      </details>
      {findingsAt(bench, [at, `${at}/limit`, `${at}/liabilities`]).map((finding) => (
        <Says key={finding.code + finding.message} finding={finding} />
      ))}
    </div>
  );
}

const isSet = (usual: unknown, given: unknown) => given !== undefined && given !== null && given !== usual;
