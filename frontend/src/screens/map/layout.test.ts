import { expect, test } from "vitest";
import { type Account, bendsOf, gapsOf, HEIGHT, pathThrough, placesOf, type Way } from "./layout";

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

test("a way goes between the accounts of the columns that it passes, and never behind one", () => {
  const places = placesOf(
    [account("income", "INCOME"), account("hub", "ROUTING"), account("other hub", "ROUTING"), account("pod", "PODS")],
    [way("income", "hub"), way("income", "other hub"), way("income", "pod")],
  );
  const at = (id: string) => places.get(id) ?? { x: 0, y: 0 };
  const gaps = gapsOf(places.values());

  const bends = bendsOf(at("income"), at("pod"), gaps);
  const back = bendsOf(at("pod"), at("income"), gaps);

  expect(bends).toHaveLength(2);
  expect(back).toEqual([...bends].reverse());
  for (const { y } of bends) {
    for (const hub of [at("hub"), at("other hub")]) expect(y < hub.y || y > hub.y + HEIGHT).toBe(true);
  }
  expect(bendsOf(at("income"), at("hub"), gaps)).toEqual([]);
  expect(pathThrough([at("income"), ...bends, at("pod")]).match(/C/g)).toHaveLength(3);
});
