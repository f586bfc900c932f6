import { expect, test } from "vitest";
import { begin, blank, get, put, splice, step, swap } from "./draft";

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
