/** A draft with undo and redo: the rule in its notation, changed at paths. What it means, the server says. */
import type { Definition, Field } from "../api";

export type Path = readonly (string | number)[];
export type State = {
  now: Definition;
  past: readonly Definition[];
  future: readonly Definition[];
  /** Where the last edit was: what is typed into one field is one step back. */
  at: string;
  /** Counts changes of shape, so that fields begin anew with what is there now. */
  epoch: number;
  /** Which node should have the focus after a change of shape. */
  focus: string;
};
export type Step =
  | { do: "put"; path: Path; value: unknown }
  | { do: "shape"; now: Definition; focus?: string }
  | { do: "undo" | "redo" }
  | { do: "reset"; now: Definition };

const DEEPEST = 100;

export function begin(now: Definition): State {
  return { now, past: [], future: [], at: "", epoch: 0, focus: "" };
}

export function step(state: State, next: Step): State {
  const { now, past, future, epoch } = state;
  switch (next.do) {
    case "put": {
      const at = next.path.join("/");
      const changed = put(now, next.path, next.value) as Definition;
      return { ...state, now: changed, past: at === state.at ? past : kept(past, now), future: [], at };
    }
    case "shape":
      return { now: next.now, past: kept(past, now), future: [], at: "", epoch: epoch + 1, focus: next.focus ?? "" };
    case "undo": {
      const before = past.at(-1);
      if (!before) return state;
      return { now: before, past: past.slice(0, -1), future: [now, ...future], at: "", epoch: epoch + 1, focus: "" };
    }
    case "redo": {
      const [after, ...rest] = future;
      if (!after) return state;
      return { now: after, past: kept(past, now), future: rest, at: "", epoch: epoch + 1, focus: "" };
    }
    case "reset":
      return { ...begin(next.now), epoch: epoch + 1 };
  }
}

const kept = (past: readonly Definition[], now: Definition) => [...past.slice(-DEEPEST), now];

export function get(from: unknown, path: Path): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string | number, unknown> | null | undefined)?.[key], from);
}

export function put(from: unknown, [key, ...rest]: Path, value: unknown): unknown {
  if (key === undefined) return value;
  if (Array.isArray(from)) return from.map((item, index) => (index === key ? put(item, rest, value) : item));
  const fields = (from ?? {}) as Record<string, unknown>;
  return { ...fields, [key]: put(fields[key], rest, value) };
}

/** Change the list that a path's last part is a place in. */
export function splice(from: Definition, path: Path, gone: number, ...come: unknown[]): Definition {
  const list = [...(get(from, path.slice(0, -1)) as unknown[])];
  list.splice(path.at(-1) as number, gone, ...come);
  return put(from, path.slice(0, -1), list) as Definition;
}

/** The place before (-1) or after a place in a list. */
export const besideOf = (path: Path, by: 1 | -1): Path => [...path.slice(0, -1), (path.at(-1) as number) + by];

export function swap(from: Definition, path: Path, by: 1 | -1): Definition {
  return splice(splice(from, path, 1), besideOf(path, by), 0, get(from, path));
}

/** A part that does nothing until it is put back, and where it was. It travels with the draft, and beside the rule. */
export type Aside = { kind: "condition" | "action" | "step"; path: string; part: Definition; note: string | null };

export const asidesOf = (from: Definition) => (from.set_aside ?? []) as Aside[];

/** A draft as the server takes it: the rule, and what is set aside. */
export function parted(from: Definition) {
  const { set_aside: _, ...definition } = from;
  return { definition, setAside: asidesOf(from) };
}

/** Take a node away, and with it the group that would be left empty. */
export function without(from: Definition, path: Path): Definition {
  if (typeof path.at(-1) !== "number") return put(from, path, null) as Definition;
  const siblings = get(from, path.slice(0, -1)) as unknown[];
  const isInGroup = path.includes("conditions");
  return siblings.length === 1 && isInGroup ? without(from, path.slice(0, -2)) : splice(from, path, 1);
}

export function setAside(from: Definition, kind: Aside["kind"], path: Path): Definition {
  const aside = { kind, path: path.join("/"), part: get(from, path) as Definition, note: null };
  return { ...without(from, path), set_aside: [...asidesOf(from), aside] };
}

/** Put a part back where it was, or as near as there is a place now. Gives the draft and where the part is. */
export function putBack(from: Definition, index: number): [now: Definition, at: string] {
  const { kind, path: was, part } = asidesOf(from)[index] as Aside;
  const rest = { ...from, set_aside: asidesOf(from).filter((_, place) => place !== index) };
  const path = was.split("/").map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  const steps = get(rest, ["steps"]) as unknown[];
  const step = Math.min(Number(path[1]), steps.length - (kind === "step" ? 0 : 1));
  const near = (list: Path, place: unknown): [Definition, string] => {
    const at = [...list, Math.min(Number(place), (get(rest, list) as unknown[]).length)];
    return [splice(rest, at, 0, part), at.join("/")];
  };
  if (kind === "step") return near(["steps"], step);
  if (kind === "action") return near(["steps", step, "actions"], path.at(-1));
  const root: Path = ["steps", step, "conditions"];
  const tree = get(rest, root);
  if (!tree) return [put(rest, root, part) as Definition, root.join("/")];
  const group = path.slice(0, -1);
  if (group[1] === step && Array.isArray(get(rest, group))) return near(group, path.at(-1));
  const key = ["all", "any"].find((each) => each in (tree as Definition));
  if (key) return near([...root, key], Number.POSITIVE_INFINITY);
  return [put(rest, root, { all: [tree, part] }) as Definition, [...root, "all", 1].join("/")];
}

/** What a form begins with, before anybody has filled it in. */
export function blank(fields: readonly Field[]): Definition {
  const made: Definition = {};
  for (const field of fields) {
    if (field.kind === "either") Object.assign(made, blank(field.options[0]?.fields ?? []));
    else if (field.kind === "list") made[field.key] = [blank(field.fields)];
    else if (field.kind === "object") made[field.key] = field.isRequired ? blank(field.fields) : null;
    else made[field.key] = field.default;
  }
  return made;
}

/** The keys that fields fill in. */
export function keysOf(fields: readonly Field[]): string[] {
  return fields.flatMap((field) =>
    field.kind === "either" ? field.options.flatMap((option) => keysOf(option.fields)) : [field.key],
  );
}
