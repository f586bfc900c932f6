import { expect, test } from "vitest";
import { keepSession, queries, SESSION, type Session } from "./session";

function session(id: string | null): Session {
  return { person: id && { id } } as unknown as Session;
}

test("what somebody has seen is kept while it is them, and forgotten when somebody else signs in", () => {
  queries.setQueryData(SESSION, session("per_1"));
  queries.setQueryData(["overview"], "theirs");
  keepSession(session("per_1"));
  expect(queries.getQueryData(["overview"])).toBe("theirs");

  queries.setQueryData(SESSION, session(null));
  keepSession(session("per_2"));
  expect(queries.getQueryData(["overview"])).toBeUndefined();
  expect(queries.getQueryData(SESSION)).toEqual(session("per_2"));
});

test("what was answered before somebody signed in is not read afterwards", () => {
  window.firstSession = Promise.resolve(null);
  keepSession(session("per_1"));
  expect(window.firstSession).toBeUndefined();
});
