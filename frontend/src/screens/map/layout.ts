/** Where accounts stand: dagre says who stands above whom, the server's layers say in which column. */
import { graphlib, layout } from "@dagrejs/dagre";
import type { components } from "@/api/app";

type Shapes = components["schemas"];
export type Account = Shapes["AccountShown"];
export type Way = Shapes["EdgeShown"];
export type Seen = Shapes["MapShown"];

export const WIDTH = 196;
export const HEIGHT = 88;
const GAP_X = 168; // Room for the longest label of a way beside its arrow.
const GAP_Y = 32;
const LAYERS = ["INCOME", "ROUTING", "PODS", "OUTSIDE"] as const;
/** A layer with more accounts stands in several columns, so that the map does not become a tower. */
const ROWS = 10;

export type Place = { x: number; y: number };
export type Point = { x: number; y: number };

export function placesOf(nodes: readonly Account[], edges: readonly Way[]): Map<string, Place> {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "LR", nodesep: GAP_Y, ranksep: GAP_X });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const node of nodes) graph.setNode(node.id, { width: WIDTH, height: HEIGHT });
  for (const edge of edges) graph.setEdge(edge.sourceId, edge.destinationId);
  layout(graph);
  const above = (id: string): number => graph.node(id).y ?? 0;
  const places = new Map<string, Place>();
  let column = 0;
  for (const layer of LAYERS) {
    const members = nodes.filter((node) => node.layer === layer).sort((a, b) => above(a.id) - above(b.id));
    const columns = Math.ceil(members.length / ROWS);
    const rows = Math.ceil(members.length / Math.max(columns, 1));
    for (const [index, member] of members.entries()) {
      const at = column + Math.floor(index / rows);
      const inColumn = Math.min(rows, members.length - Math.floor(index / rows) * rows);
      const row = (index % rows) - (inColumn - 1) / 2;
      places.set(member.id, { x: at * (WIDTH + GAP_X), y: row * (HEIGHT + GAP_Y) });
    }
    column += columns;
  }
  return places;
}

/** The heights at which a way can pass each column without going behind an account: above, between and below them. */
export function gapsOf(places: Iterable<Place>): Map<number, number[]> {
  const columns = new Map<number, number[]>();
  for (const { x, y } of places)
    columns.set(
      x,
      [...(columns.get(x) ?? []), y].sort((a, b) => a - b),
    );
  for (const [x, tops] of columns) {
    columns.set(x, [...tops.map((top) => top - GAP_Y / 2), (tops.at(-1) ?? 0) + HEIGHT + GAP_Y / 2]);
  }
  return columns;
}

/** Where a way goes around the accounts in the columns that it passes: where it comes to each and where it leaves it. */
export function bendsOf(from: Place, to: Place, gaps: ReadonlyMap<number, readonly number[]>): Point[] {
  const isForth = to.x > from.x;
  const passed = [...gaps].filter(([x]) => x > Math.min(from.x, to.x) && x < Math.max(from.x, to.x));
  passed.sort(([a], [b]) => (isForth ? a - b : b - a));
  return passed.flatMap(([x, heights]) => {
    const straight = from.y + HEIGHT / 2 + ((to.y - from.y) * (x - from.x)) / (to.x - from.x);
    const y = heights.reduce((best, height) =>
      Math.abs(height - straight) < Math.abs(best - straight) ? height : best,
    );
    return isForth
      ? [
          { x, y },
          { x: x + WIDTH, y },
        ]
      : [
          { x: x + WIDTH, y },
          { x, y },
        ];
  });
}

/** A line through points that is level at each of them. */
export function pathThrough(points: readonly Point[]): string {
  const [first, ...others] = points;
  if (!first) return "";
  let before = first;
  return others.reduce((path, point) => {
    const middle = (before.x + point.x) / 2;
    const next = `${path} C${middle},${before.y} ${middle},${point.y} ${point.x},${point.y}`;
    before = point;
    return next;
  }, `M${first.x},${first.y}`);
}
