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

export function swap(from: Definition, path: Path, by: 1 | -1): Definition {
  const place = path.at(-1) as number;
  const moved = get(from, path);
  const without = splice(from, path, 1);
  return splice(without, [...path.slice(0, -1), place + by], 0, moved);
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
