import { describe, expect, it } from "vitest";
import { moneyText, readAmount } from "./Money";

describe("amounts", () => {
  it.each([
    [123456, "USD", "$1,234.56"],
    [-1250, "USD", "−$12.50"],
    [0, "USD", "$0.00"],
    [5, "USD", "$0.05"],
    [9007199254740991, "USD", "$90,071,992,547,409.91"],
    [1234, "JPY", "¥1,234"],
  ])("%i %s is written %s", (cents, currency, text) => {
    expect(moneyText(cents, currency)).toBe(text);
  });

  it.each([
    ["1,234.56", 123456],
    ["1.234,56", 123456],
    ["1234.5", 123450],
    ["1,234", 123400],
    ["1 234,5", 123450],
    ["$20", 2000],
    [".5", 50],
    ["0", 0],
    ["", null],
    ["-5", null],
    ["ten", null],
    ["1.2.3", null],
    ["1,23,456", null],
  ])("%j is read as %j", (text, cents) => {
    expect(readAmount(text, "USD")).toBe(cents);
  });
});
