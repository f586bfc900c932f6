/** The conditions of a step: comparisons, in groups within groups, each with how it stands right now. */
import { AmountField, Button, SelectField, State, type Tone } from "@/parts";
import type { Definition, Vocabulary } from "../api";
import styles from "../rules.module.css";
import { Says } from "../Told";
import { besideOf, get, type Path, put, splice, without } from "./draft";
import { AccountField, NumberField } from "./FormFields";
import { type Deed, deedsOf, NodeMenu } from "./NodeMenu";
import { findingsAt, nodeId, pasted, problemAt, standingAt, useWorkbench } from "./workbench";

type Leaf = {
  fact: string;
  operator: string;
  value?: number | null;
  value_fact?: string | null;
  params?: Definition | null;
};

function newLeaf(words: Vocabulary): Definition {
  const fact = words.facts.find((each) => each.takesAccount) ?? words.facts[0];
  return { condition: { fact: fact?.fact, operator: "LESS_THAN", value: null, value_fact: null, params: null } };
}

/** All conditions of a step, or the offer to make one. */
export function Conditions({ path }: { path: Path }) {
  const bench = useWorkbench();
  const tree = get(bench.definition, path);
  if (tree) return <Node path={path} number="" depth={1} />;
  const begin = (value: unknown) => bench.shape(put(bench.definition, path, value) as Definition, path.join("/"));
  const clip = pasted("condition");
  return (
    <div className="row">
      <Button act="Add a condition" icon="plus" onClick={() => begin(newLeaf(bench.words))} />
      {clip !== undefined && <Button act="Paste a condition" look="quiet" onClick={() => begin(clip)} />}
    </div>
  );
}

type NodeProps = { path: Path; number: string; depth: number };

function Node({ path, number, depth }: NodeProps) {
  const bench = useWorkbench();
  const value = (get(bench.definition, path) ?? {}) as Definition;
  const key = bench.words.groups.find((group) => group.key in value)?.key;
  const at = path.join("/");
  const standing = standingAt(bench, at);
  const paths = key ? [at, `${at}/${key}`] : [at, `${at}/condition`];
  const name = `${key ? "group" : "condition"}${number && ` ${number}`}`;
  return (
    <div
      className={styles.node}
      data-group={key ? "" : undefined}
      id={nodeId(at)}
      tabIndex={-1}
      role="group"
      aria-label={name}
    >
      <div className={styles.nodeHead}>
        <span className="row">
          {number && <span className={styles.number}>{number}</span>}
          {key && <GroupKind path={path} kind={key} />}
          {standing && <Stands state={standing.state} words={standing.words} />}
        </span>
        <NodeMenu of={name} deeds={useDeeds(path, key, depth)} />
      </div>
      {key ? (
        <Group path={[...path, key]} number={number} depth={depth} />
      ) : (
        <Comparison path={[...path, "condition"]} />
      )}
      {findingsAt(bench, paths).map((finding) => (
        <Says key={finding.code + finding.message} finding={finding} />
      ))}
    </div>
  );
}

const TONES: Record<string, [Tone, string]> = {
  passes: ["good", "Passes"],
  fails: ["idle", "Fails"],
  unknown: ["wait", "Cannot tell"],
  invalid: ["warn", "Not complete"],
};

function Stands({ state, words }: { state: string; words: string }) {
  const [tone, word] = TONES[state] ?? ["note", state];
  return (
    <span className="small row">
      <State tone={tone}>{word}</State>
      {state !== "invalid" && <span className="soft">{words}</span>}
    </span>
  );
}

function GroupKind({ path, kind }: { path: Path; kind: string }) {
  const { words, definition, shape } = useWorkbench();
  const children = get(definition, [...path, kind]);
  return (
    <select
      aria-label="What of the group has to hold"
      value={kind}
      onChange={(event) =>
        shape(put(definition, path, { [event.target.value]: children }) as Definition, path.join("/"))
      }
    >
      {words.groups.map((group) => (
        <option key={group.key} value={group.key}>
          {group.label}
        </option>
      ))}
    </select>
  );
}

function Group({ path, number, depth }: NodeProps) {
  const bench = useWorkbench();
  const children = get(bench.definition, path) as unknown[];
  const add = (value: unknown) => {
    const place = [...path, children.length];
    bench.shape(splice(bench.definition, place, 0, value), place.join("/"));
  };
  const clip = pasted("condition");
  return (
    <div className={styles.children}>
      {children.map((_, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a node is named by its place.
        <Node key={index} path={[...path, index]} number={`${number && `${number}.`}${index + 1}`} depth={depth + 1} />
      ))}
      <div className="row">
        <Button act="Add a condition" icon="plus" onClick={() => add(newLeaf(bench.words))} />
        {clip !== undefined && <Button act="Paste a condition" look="quiet" onClick={() => add(clip)} />}
      </div>
    </div>
  );
}

/** What can be done with a node, given where it stands. */
function useDeeds(path: Path, key: string | undefined, depth: number): Deed[] {
  const bench = useWorkbench();
  const { words, definition, shape } = bench;
  const value = get(definition, path);
  const place = path.at(-1);
  const siblings = typeof place === "number" ? (get(definition, path.slice(0, -1)) as unknown[]) : undefined;
  const put_ = (now: unknown, focus: Path = path) => shape(now as Definition, focus.join("/"));
  const first = words.groups[0]?.key ?? "all";
  const children = key ? (get(definition, [...path, key]) as unknown[]) : [];
  const isAlone = !siblings || siblings.length === 1;
  const group = path.slice(0, -2);
  const before = besideOf(path, -1);
  const above = siblings && words.groups.find((each) => each.key in ((get(definition, before) ?? {}) as Definition));
  function moveOut() {
    if (isAlone) return put_(put(definition, group, value), group);
    const goal = besideOf(group, 1);
    put_(splice(splice(definition, path, 1), goal, 0, value), goal);
  }
  function moveIn(list: Path) {
    const goal = [...list, (get(definition, list) as unknown[]).length];
    put_(splice(splice(definition, path, 1), goal, 0, value), goal);
  }
  return [
    ["Put into a group", depth < words.maxDepth && (() => put_(put(definition, path, { [first]: [value] })))],
    [
      "Take the group apart",
      key !== undefined && siblings
        ? () => put_(splice(definition, path, 1, ...children), group)
        : key !== undefined && children.length === 1 && (() => put_(put(definition, path, children[0]))),
    ],
    ["Move out of its group", siblings && typeof group.at(-1) === "number" && moveOut],
    ["Move into the group above", above && depth < words.maxDepth && (() => moveIn([...before, above.key]))],
    ...deedsOf(bench, "condition", path, {
      count: siblings?.length ?? 0,
      remove: () => put_(without(definition, path), isAlone ? path.slice(0, 2) : group),
      double: siblings ? undefined : () => put_(put(definition, path, { [first]: [value, value] })),
    }),
  ];
}

/** One comparison: a fact, how it is compared, and with what. */
function Comparison({ path }: { path: Path }) {
  const bench = useWorkbench();
  const leaf = (get(bench.definition, path) ?? {}) as Leaf;
  const { words } = bench;
  const fact = words.facts.find((each) => each.fact === leaf.fact);
  const right = fact?.rights.find((each) => each.fact === leaf.value_fact);
  const at = path.join("/");
  const set = (changed: Partial<Leaf>) => bench.put(path, { ...leaf, ...changed });
  const setParam = (key: string, id: string | null) => set({ params: { ...leaf.params, [key]: id } });
  const account = { field: { role: "any", isRequired: false }, accounts: words.accounts };
  const ofTrigger = get(bench.definition, ["trigger", "account_id"]);
  const other = leaf.value_fact ?? "";
  return (
    <div className="fields">
      <SelectField
        label="What"
        hint={fact?.help}
        value={leaf.fact}
        error={problemAt(bench, `${at}/fact`)}
        options={words.facts.map((each) => [each.fact, each.label] as const)}
        onValue={(next) =>
          bench.shape(put(bench.definition, path, { ...leaf, fact: next, value: null, value_fact: null }) as Definition)
        }
      />
      {fact?.takesAccount && (
        <AccountField
          {...account}
          label="Of"
          hint="None: the account that starts the rule."
          given={leaf.params?.account_id}
          onGiven={(id) => setParam("account_id", id)}
        />
      )}
      <SelectField
        label="Is"
        value={leaf.operator}
        error={problemAt(bench, `${at}/operator`)}
        options={words.operators.map((each) => [each.value, each.label.replace(/^is /, "")] as const)}
        onValue={(operator) => set({ operator })}
      />
      <SelectField
        label="Compared with"
        value={other}
        error={problemAt(bench, `${at}/value_fact`)}
        options={[
          ["", fact?.kind === "amount" ? "an amount" : "a day"],
          ...(fact?.rights.map((each) => [each.fact, each.label] as const) ?? []),
          ...(other && !right ? [[other, other] as const] : []),
        ]}
        onValue={(next) => set({ value: null, value_fact: next || null })}
      />
      {other ? (
        right?.takesAccount && (
          <AccountField
            {...account}
            label="Of"
            hint="None: the same as on the left."
            given={leaf.params?.value_account_id}
            onGiven={(id) => setParam("value_account_id", id)}
          />
        )
      ) : fact?.kind === "amount" && (leaf.value ?? 0) >= 0 ? (
        <AmountField
          label="Amount"
          cents={leaf.value ?? null}
          currency={bench.currencyOf(leaf.params?.account_id ?? ofTrigger)}
          error={problemAt(bench, `${at}/value`)}
          onCents={(value) => set({ value })}
        />
      ) : (
        <NumberField
          label={fact?.kind === "amount" ? "Amount in cents" : "Day"}
          given={leaf.value}
          error={problemAt(bench, `${at}/value`)}
          onGiven={(value) => set({ value })}
        />
      )}
    </div>
  );
}
