import { expect, it } from "vitest";
import { exactly, nearby } from "./When";

const NOW = "2026-01-10T12:00:00Z";

it.each([
  ["2026-01-10T11:59:30Z", "just now"],
  ["2026-01-10T12:00:20Z", "in a moment"],
  ["2026-01-10T11:00:00Z", "1 hour ago"],
  ["2026-01-09T11:00:00Z", "yesterday"],
  ["2026-01-12T12:00:00Z", "in 2 days"],
  ["2025-12-01T12:00:00Z", undefined],
])("%s is said as %s", (at, words) => {
  expect(nearby(at, NOW)).toBe(words);
});

it("names the time zone", () => {
  expect(exactly(NOW)).toBe("Sat, 10 Jan 2026, 12:00 UTC");
});
