import { expect, test } from "vitest";
import { begin, blank, get, parted, put, putBack, setAside, splice, step, swap } from "./draft";

const rule = { steps: [{ conditions: null, actions: [{ type: "A" }, { type: "B" }] }] };

test("what is typed into one field is one step back", () => {
  let state = begin({ name: "" });
  for (const name of ["S", "Sa", "Sav"]) state = step(state, { do: "put", path: ["name"], value: name });
  state = step(state, { do: "put", path: ["description"], value: "x" });
  expect(step(state, { do: "undo" }).now).toEqual({ name: "Sav" });
  expect(step(step(state, { do: "undo" }), { do: "undo" }).now).toEqual({ name: "" });
  expect(step(step(state, { do: "undo" }), { do: "redo" }).now).toEqual(state.now);
});

test("undo with nothing to undo changes nothing, and an edit forgets what was undone", () => {
  const state = begin({ name: "a" });
  expect(step(state, { do: "undo" })).toBe(state);
  expect(step(state, { do: "redo" })).toBe(state);
  const undone = step(step(state, { do: "put", path: ["name"], value: "b" }), { do: "undo" });
  expect(step(undone, { do: "put", path: ["name"], value: "c" }).future).toEqual([]);
});

test("lists are changed in place, and what was there stays as it was", () => {
  const path = ["steps", 0, "actions", 0];
  expect(get(swap(rule, path, 1), ["steps", 0, "actions"])).toEqual([{ type: "B" }, { type: "A" }]);
  expect(get(splice(rule, path, 1), ["steps", 0, "actions"])).toEqual([{ type: "B" }]);
  expect(get(splice(rule, path, 0, { type: "C" }), path)).toEqual({ type: "C" });
  expect(get(put(rule, [...path, "limit", "period"], "PER_WEEK"), [...path, "limit"])).toEqual({ period: "PER_WEEK" });
  expect(get(rule, path)).toEqual({ type: "A" });
});

test("a form begins with its defaults", () => {
  const field = { label: "", help: "", role: null, choices: [], low: null, high: null, options: [], fields: [] };
  const amount = { ...field, key: "amount", kind: "amount", isRequired: true, default: null };
  const either = { ...field, key: "budget", kind: "either", isRequired: true, default: null };
  expect(
    blank([
      { ...either, options: [{ type: "a", label: "", help: "", fields: [amount] }] },
      { ...field, key: "limit", kind: "object", isRequired: false, default: null, fields: [amount] },
      { ...field, key: "debts", kind: "list", isRequired: true, default: null, fields: [amount] },
      { ...field, key: "period", kind: "choice", isRequired: true, default: "PER_WEEK" },
    ]),
  ).toEqual({ amount: null, limit: null, debts: [{ amount: null }], period: "PER_WEEK" });
});

test("what is set aside is put back where it was, or as near as there is a place", () => {
  const leaf = (value: number) => ({ condition: { value } });
  const made = {
    steps: [
      { conditions: { any: [leaf(1), leaf(2)] }, actions: [{ type: "A" }, { type: "B" }] },
      { conditions: null, actions: [{ type: "C" }] },
    ],
  };
  const cases = [
    ["condition", ["steps", 0, "conditions", "any", 0]],
    ["condition", ["steps", 0, "conditions"]],
    ["action", ["steps", 0, "actions", 1]],
    ["step", ["steps", 1]],
  ] as const;
  for (const [kind, path] of cases) {
    const aside = setAside(made, kind, path);
    expect(parted(aside).setAside).toEqual([{ kind, path: path.join("/"), part: get(made, path), note: null }]);
    expect(putBack(aside, 0)).toEqual([{ ...made, set_aside: [] }, path.join("/")]);
  }
  expect(parted(made)).toEqual({ definition: made, setAside: [] });

  const first = setAside(made, "condition", ["steps", 0, "conditions", "any", 0]);
  const both = setAside(first, "condition", ["steps", 0, "conditions", "any", 0]);
  expect(get(both, ["steps", 0, "conditions"])).toBe(null);
  const [one] = putBack(both, 1);
  expect(get(putBack(one, 0)[0], ["steps", 0, "conditions"])).toEqual({ all: [leaf(2), leaf(1)] });
  const moved = setAside(splice(made, ["steps", 1], 1), "action", ["steps", 0, "actions", 1]);
  expect(get(putBack(splice(moved, ["steps", 0], 0, made.steps[1]), 0)[0], ["steps", 0, "actions"])).toHaveLength(2);
});
