/** The map drawn: accounts in layers, the ways of rules between them. It can be walked by arrow keys, along the ways. */
import {
  BaseEdge,
  type Edge,
  type EdgeProps,
  getBezierPath,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  useReactFlow,
  useStore,
  ViewportPortal,
} from "@xyflow/react";
import "@xyflow/react/dist/base.css";
import { type KeyboardEvent, memo, useEffect, useMemo, useRef, useState } from "react";
import { Icon } from "@/parts/icons";
import { Money, moneyText } from "@/parts/Money";
import { withoutAmounts } from "@/parts/privacy";
import { Target } from "@/screens/accounts/Target";
import {
  type Account,
  bendsOf,
  gapsOf,
  HEIGHT,
  type Place,
  type Point,
  pathThrough,
  placesOf,
  type Seen,
  type Way,
  WIDTH,
} from "./layout";
import styles from "./map.module.css";

export type Lit = { ruleId?: string | undefined; nodeId?: string | undefined; amounts?: ReadonlyMap<string, string> };
type AccountNode = Node<{ account: Account; isFaint: boolean }, "account">;
type WayEdge = Edge<
  { way: Way; label: string; isLit: boolean; isFaint: boolean; isFlowing: boolean; row: number; bends: Point[] },
  "way"
>;

export const FIT = { padding: 0.06, maxZoom: 1 };
const HANDLES = [
  ["in", "target", Position.Left],
  ["out", "source", Position.Right],
  ["back-in", "target", Position.Right],
  ["back-out", "source", Position.Left],
] as const;

/** Where they are, told and not measured: to measure again takes the ways away for a moment, and the focus with them. */
const MEASURED = {
  width: WIDTH,
  height: HEIGHT,
  measured: { width: WIDTH, height: HEIGHT },
  handles: HANDLES.map(([id, type, position]) => {
    return { id, type, position, x: position === Position.Left ? 0 : WIDTH, y: HEIGHT / 2, width: 0, height: 0 };
  }),
};

const AccountShape = memo(({ data: { account, isFaint } }: NodeProps<AccountNode>) => (
  <div className={styles.node} data-layer={account.layer} data-faint={isFaint || undefined}>
    {HANDLES.map(([id, type, position]) => (
      <Handle key={id} id={id} type={type} position={position} isConnectable={false} className={styles.handle ?? ""} />
    ))}
    <span className={styles.name}>{account.name}</span>
    <span className="row spread">
      <span className="soft small">
        {account.kindWord}
        {!["KEPT", "FRESH"].includes(account.freshness.state) && <Icon name="warning" />}
      </span>
      <Money cents={account.balanceInCents} currency={account.currency} />
    </span>
    <Target account={account} />
  </div>
));

const WayShape = memo(({ data, ...edge }: EdgeProps<WayEdge>) => {
  if (!data) return null;
  const { way, isLit, isFaint, bends } = data;
  const { sourceX, sourceY, targetX, targetY } = edge;
  const path = bends.length
    ? pathThrough([{ x: sourceX, y: sourceY }, ...bends, { x: targetX, y: targetY }])
    : getBezierPath(edge)[0];
  return (
    <g className={styles.way} data-state={way.state} data-lit={isLit || undefined} data-faint={isFaint || undefined}>
      <BaseEdge id={edge.id} path={path} interactionWidth={24} style={{ strokeWidth: 1.5 + way.weight / 18 }} />
      {data.isFlowing && <path d={path} className={styles.flow} />}
    </g>
  );
});

/** What is said of the ways, over all lines: a line that crosses words would strike them out. */
const Labels = memo(({ edges, places }: { edges: readonly WayEdge[]; places: Ground["places"] }) => (
  <ViewportPortal>
    <svg className={styles.labels} aria-hidden="true">
      {edges.map(({ id, target, targetHandle, data }) => {
        const place = places.get(target);
        if (!place || !data || data.isFaint) return null;
        // Above the line where it arrives, the next ones below and above that.
        const isLeft = targetHandle === "in";
        const off = (data.row % 2 ? 1 : -1) * (11 + data.way.weight / 30 + 15 * Math.floor(data.row / 2));
        return (
          <text
            key={id}
            className={withoutAmounts(data.label) === data.label ? undefined : "private"}
            x={isLeft ? place.x - 8 : place.x + WIDTH + 8}
            y={place.y + HEIGHT / 2 + off}
            data-lit={data.isLit || undefined}
            textAnchor={isLeft ? "end" : "start"}
            dominantBaseline="middle"
          >
            {data.label}
          </text>
        );
      })}
    </svg>
  </ViewportPortal>
));

const nodeTypes = { account: AccountShape };
const edgeTypes = { way: WayShape };
const LABELS = {
  "node.a11yDescription.default": "Press enter to look at it. The arrow keys walk along the ways of rules.",
  "node.a11yDescription.keyboardDisabled": "Press enter to look at it. The arrow keys walk along the ways of rules.",
  "edge.a11yDescription.default": "Press enter to look at the rule.",
};

function sides(from: Place, to: Place) {
  if (to.x > from.x) return { sourceHandle: "out", targetHandle: "in" };
  return to.x === from.x
    ? { sourceHandle: "out", targetHandle: "back-in" }
    : { sourceHandle: "back-out", targetHandle: "back-in" };
}

const SHORT = 24;
const REST_MS = 120;
const short = (text: string) => (text.length > SHORT ? `${text.slice(0, SHORT - 1)}…` : text);

type Ground = { places: Map<string, Place>; gaps: ReadonlyMap<number, readonly number[]> };

function drawWay(way: Way, { places, gaps }: Ground, lit: Lit, row: number): WayEdge {
  const from = places.get(way.sourceId) ?? { x: 0, y: 0 };
  const to = places.get(way.destinationId) ?? { x: 0, y: 0 };
  const amount = lit.amounts?.get(way.id);
  const isLit = lit.amounts
    ? amount !== undefined
    : way.ruleId === lit.ruleId || [way.sourceId, way.destinationId].includes(lit.nodeId ?? "");
  const isAnyLit = Boolean(lit.ruleId ?? lit.nodeId ?? lit.amounts);
  const off = way.state === "ENABLED" ? "" : ` · ${way.stateWord.toLowerCase()}`;
  return {
    id: way.id,
    type: "way",
    source: way.sourceId,
    target: way.destinationId,
    ...sides(from, to),
    ariaLabel: way.said,
    data: {
      way,
      label: amount ?? short(way.label) + off,
      isLit,
      isFaint: isAnyLit && !isLit,
      isFlowing: amount !== undefined,
      row,
      bends: bendsOf(from, to, gaps),
    },
  };
}

type Props = {
  seen: Seen;
  lit: Lit;
  onNode: (id: string) => void;
  onRule: (id: string) => void;
  onNothing: () => void;
};

export function Canvas({ seen, lit: chosen, onNode, onRule, onNothing }: Props) {
  const [near, setNear] = useState<Lit>();
  const lit = near ?? chosen;
  const box = useRef<HTMLDivElement>(null);
  const waiting = useRef<ReturnType<typeof setTimeout>>(undefined);
  /** Light a rule's ways, once the pointer or the focus rests on one of them; while the map moves under it, none. */
  function rest(id?: string | null) {
    clearTimeout(waiting.current);
    const ruleId = seen.edges.find((way) => way.id === id)?.ruleId;
    if (!chosen.amounts && !box.current?.dataset.moving && (ruleId || near)) {
      waiting.current = setTimeout(() => setNear(ruleId ? { ruleId } : undefined), REST_MS);
    }
  }
  function onMoving(isMoving: boolean) {
    rest();
    if (box.current && isMoving) box.current.dataset.moving = "yes";
    else delete box.current?.dataset.moving;
  }
  function onKey(event: KeyboardEvent<HTMLElement>) {
    const target = event.target as HTMLElement;
    const id = target.getAttribute("data-id");
    const way = seen.edges.find((each) => each.id === id);
    if (event.key === "Escape") onNothing();
    else if (event.key !== "Enter" && event.key !== " ") walk(event, seen, places);
    else if (way) onRule(way.ruleId);
    else if (id) onNode(id);
  }
  const places = useMemo(() => placesOf(seen.nodes, seen.edges), [seen.nodes, seen.edges]);
  const gaps = useMemo(() => gapsOf(places.values()), [places]);
  const edges = useMemo(() => {
    const arrived = new Map<string, number>();
    return seen.edges.map((way) => {
      const row = arrived.get(way.destinationId) ?? 0;
      arrived.set(way.destinationId, row + 1);
      return drawWay(way, { places, gaps }, lit, row);
    });
  }, [seen.edges, places, gaps, lit]);
  const isChosen = Boolean(chosen.ruleId ?? chosen.nodeId ?? chosen.amounts);
  const next = seen.edges.filter(
    (way) =>
      way.ruleId === chosen.ruleId ||
      chosen.amounts?.has(way.id) ||
      [way.sourceId, way.destinationId].includes(chosen.nodeId ?? ""),
  );
  const around = [...new Set(next.flatMap((way) => [way.sourceId, way.destinationId]))];
  const nodes = useMemo(() => {
    const near = new Set(edges.flatMap((edge) => (edge.data?.isLit ? [edge.source, edge.target] : [])));
    const isAnyLit = Boolean(lit.ruleId ?? lit.nodeId ?? lit.amounts);
    return seen.nodes.map(
      (account): AccountNode => ({
        id: account.id,
        type: "account",
        position: places.get(account.id) ?? { x: 0, y: 0 },
        ...MEASURED,
        ariaLabel: account.said,
        selected: account.id === lit.nodeId,
        data: { account, isFaint: isAnyLit && account.id !== lit.nodeId && !near.has(account.id) },
      }),
    );
  }, [seen.nodes, places, edges, lit]);
  return (
    <div
      className={styles.canvas}
      ref={box}
      onKeyDown={onKey}
      onFocus={(event) => rest(event.target.getAttribute("data-id"))}
      onBlur={() => rest()}
      role="group"
      aria-label="Map"
    >
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        nodesDraggable={false}
        nodesConnectable={false}
        ariaLabelConfig={LABELS}
        minZoom={0.08}
        maxZoom={1.75}
        fitView
        fitViewOptions={FIT}
        onEdgeMouseEnter={(_, edge) => rest(edge.id)}
        onEdgeMouseLeave={() => rest()}
        onMoveStart={() => onMoving(true)}
        onMoveEnd={() => onMoving(false)}
        onNodeClick={(_, node) => onNode(node.id)}
        onEdgeClick={(_, edge) => edge.data && onRule(edge.data.way.ruleId)}
        onPaneClick={onNothing}
      >
        <Labels edges={edges} places={places} />
        <Look near={around} first={seen.nodes.filter(isEarly).map((node) => node.id)} isCovered={isChosen} />
      </ReactFlow>
    </div>
  );
}

const isEarly = (node: Account) => node.layer === "INCOME" || node.layer === "ROUTING";
type LookProps = { near: readonly string[]; first: readonly string[]; isCovered: boolean };

/** Show all of it (on a phone where it begins, to be read), or what a link points at; again when there is other room. */
function Look(now: LookProps) {
  const { fitView } = useReactFlow();
  const room = useStore((state) => `${state.width} ${state.height}`);
  const atFirst = useRef(now);
  // biome-ignore lint/correctness/useExhaustiveDependencies: with other room it has to be fitted in again.
  useEffect(() => {
    const { near, first, isCovered } = atFirst.current;
    // What the panel covers is no room, except where it stands below.
    const right = isCovered && matchMedia("(min-width: 901px)").matches ? "350px" : "24px";
    const wanted = near.length > 0 ? near : matchMedia("(max-width: 700px)").matches ? first : [];
    const nodes = wanted.length > 0 ? { nodes: wanted.map((id) => ({ id })) } : {};
    void fitView({ ...FIT, padding: { x: "24px", y: "20px", right }, ...nodes });
  }, [fitView, room]);
  return null;
}

/** Go along a way to the next account, or to the one above or below. */
function walk(event: KeyboardEvent<HTMLElement>, seen: Seen, places: Map<string, Place>): void {
  const id = (event.target as HTMLElement).closest(".react-flow__node")?.getAttribute("data-id");
  const here = id ? places.get(id) : undefined;
  if (!id || !here) return;
  const nearest = (ids: readonly string[]) =>
    ids
      .map((other) => [other, Math.abs((places.get(other)?.y ?? 0) - here.y)] as const)
      .sort((a, b) => a[1] - b[1])[0]?.[0];
  const inColumn = (isWanted: (y: number) => boolean) =>
    nearest([...places].filter(([, place]) => place.x === here.x && isWanted(place.y)).map(([other]) => other));
  const along = (from: "sourceId" | "destinationId", to: "sourceId" | "destinationId") =>
    nearest(seen.edges.filter((way) => way[from] === id).map((way) => way[to]));
  let goal: string | undefined;
  if (event.key === "ArrowRight") goal = along("sourceId", "destinationId");
  else if (event.key === "ArrowLeft") goal = along("destinationId", "sourceId");
  else if (event.key === "ArrowDown") goal = inColumn((y) => y > here.y);
  else if (event.key === "ArrowUp") goal = inColumn((y) => y < here.y);
  else return;
  event.preventDefault();
  if (goal) document.querySelector<HTMLElement>(`.react-flow__node[data-id="${goal}"]`)?.focus();
}

export function amountsOf(
  seen: Seen,
  ruleId: string,
  moves: readonly { sourceId: string | null; destinationId: string | null; amountInCents: number; currency: string }[],
): Map<string, string> {
  const found = new Map<string, string>();
  for (const way of seen.edges.filter((each) => each.ruleId === ruleId)) {
    const own = moves.filter((move) => move.sourceId === way.sourceId && move.destinationId === way.destinationId);
    if (own.length > 0) found.set(way.id, own.map((move) => moneyText(move.amountInCents, move.currency)).join(" + "));
  }
  return found;
}
