import { expect, it } from "vitest";
import { clockIn, dayOf, nearby } from "./When";

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

it.each([
  ["UTC", "Sat, 10 Jan 2026, 12:00 UTC"],
  ["America/New_York", "Sat, 10 Jan 2026, 07:00 America/New_York"],
  ["Nowhere/At_All", "Sat, 10 Jan 2026, 12:00 UTC"],
])("says and names the time in %s", (zone, words) => {
  expect(clockIn(zone).exactly(NOW)).toBe(words);
});

it.each([
  ["UTC", "2026-01-10T12:00", "2026-01-10T12:00:00.000Z"],
  ["America/New_York", "2026-07-04T23:30", "2026-07-05T03:30:00.000Z"],
  ["America/New_York", "2026-03-08T06:30", "2026-03-08T10:30:00.000Z"],
  ["Asia/Kathmandu", "2026-01-10T00:00", "2026-01-09T18:15:00.000Z"],
])("reads a field in %s as it has written it", (zone, field, at) => {
  expect(clockIn(zone).momentOf(field)).toBe(at);
  expect(clockIn(zone).fieldOf(at)).toBe(field);
});

it("says a day of the calendar", () => expect(dayOf("2026-11-30")).toBe("30 Nov 2026"));
