import { expect, test } from "vitest";
import { type Account, placesOf, type Way } from "./layout";

const account = (id: string, layer: Account["layer"]) => ({ id, layer }) as Account;
const way = (sourceId: string, destinationId: string) => ({ sourceId, destinationId }) as Way;

test("accounts stand in the columns of their layers, whatever way money goes", () => {
  const places = placesOf(
    [account("bank", "OUTSIDE"), account("income", "INCOME"), account("pod", "PODS"), account("hub", "ROUTING")],
    [way("income", "hub"), way("hub", "pod"), way("bank", "pod")],
  );

  const inOrder = [...places].sort((a, b) => a[1].x - b[1].x).map(([id]) => id);
  expect(inOrder).toEqual(["income", "hub", "pod", "bank"]);
});

test("no two accounts stand in one place, and a layer of many stands in several columns", () => {
  const many = Array.from({ length: 45 }, (_, n) => account(`pod ${n}`, "PODS"));

  const places = [...placesOf(many, []).values()];

  expect(new Set(places.map(({ x, y }) => `${x} ${y}`)).size).toBe(45);
  expect(new Set(places.map(({ x }) => x)).size).toBe(5);
});
