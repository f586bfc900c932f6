import { expect, it } from "vitest";
import { withoutAmounts } from "./privacy";

it.each([
  ["$1,200.00 from outside to Income", "… from outside to Income"],
  ["Moved −€0.05 and 1,234 JPY in 2 transfers.", "Moved … and … in 2 transfers."],
  ["Keep $5, move 20 % on 5 Dec 2026, 14:05 UTC", "Keep …, move 20 % on 5 Dec 2026, 14:05 UTC"],
])("%s is %s", (title, told) => {
  expect(withoutAmounts(title)).toBe(told);
});
