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
