/** Amounts over time: a picture with its sentence, and the same numbers as a table. */
import { useEffect, useRef, useSyncExternalStore } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { moneyText } from "./Money";
import styles from "./parts.module.css";
import { usePreference } from "./preferences";
import { Table } from "./Table";
import { dayOf } from "./When";

export type Line = { label: string; cents: readonly (number | null)[] };
type Props = {
  /** What the picture says, for those who do not see it. */
  summary: string;
  currency: string;
  /** Days of the calendar in a zone. */
  days: readonly string[];
  zone: string;
  lines: readonly Line[];
};

const COLOURS = ["--accent", "--sandbox", "--warn", "--good"];
const said = (cents: number | null | undefined, currency: string) =>
  typeof cents === "number" ? moneyText(cents, currency) : "–";
/** Ticks as the rest of the app writes days: uPlot's own are of one country. */
const TICKS = [
  [86_400 * 28, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86_400, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];
const DASHES = [[], [6, 4], [2, 3], [10, 3, 2, 3]];

/** A colour as the canvas needs it: custom properties name two, and the element knows which one holds. */
function colour(of: HTMLElement, name: string): string {
  const probe = of.appendChild(document.createElement("i"));
  probe.style.color = `var(${name})`;
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function options(box: HTMLElement, { currency, days, lines }: Props): uPlot.Options {
  const soft = colour(box, "--soft");
  const grid = { stroke: colour(box, "--line"), width: 1 };
  const axis = { stroke: soft, grid, ticks: grid, font: "12px system-ui, sans-serif" };
  return {
    width: box.clientWidth,
    height: 220,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    legend: { show: lines.length > 1 },
    cursor: { y: false },
    axes: [
      { ...axis, values: TICKS },
      { ...axis, size: 84, values: (_, splits) => splits.map((cents) => moneyText(cents, currency)) },
    ],
    series: [
      { label: "Day", value: (plot, _, __, at) => dayOf(days[at ?? plot.data[0].length - 1] ?? "") },
      ...lines.map((line, index) => ({
        label: line.label,
        stroke: colour(box, COLOURS[index % COLOURS.length] ?? "--accent"),
        dash: DASHES[index % DASHES.length] ?? [],
        width: 2,
        points: { show: false },
        ...(uPlot.paths.stepped ? { paths: uPlot.paths.stepped({ align: 1 }) } : {}),
        value: (plot: uPlot, _: unknown, __: unknown, at: number | null) =>
          said(line.cents[at ?? plot.data[0].length - 1], currency),
      })),
    ],
  };
}

/** A cell of a file; what a spreadsheet would take for a formula stays text. */
const quoted = (cell: string) => `"${cell.replace(/^[=+@-]/, "'$&").replaceAll('"', '""')}"`;

/** The numbers as a file for a spreadsheet. */
function csvOf({ days, lines, currency }: Props): string {
  const rows = days.map((day, row) => [
    day,
    ...lines.map(({ cents }) => (typeof cents[row] === "number" ? moneyText(cents[row], currency) : "")),
  ]);
  const text = [["Day", ...lines.map((line) => line.label)], ...rows].map((row) => row.map(quoted).join(","));
  return `data:text/csv;charset=utf-8,${encodeURIComponent(text.join("\r\n"))}`;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
function onScheme(listener: () => void): () => void {
  dark.addEventListener("change", listener);
  return () => dark.removeEventListener("change", listener);
}

export function TimeChart(props: Props) {
  const { summary, currency, days, zone, lines } = props;
  const box = useRef<HTMLDivElement>(null);
  const theme = usePreference("theme");
  const isDark = useSyncExternalStore(onScheme, () => dark.matches);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme means other colours on the canvas.
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const plot = new uPlot(
      options(element, props),
      [days.map((day) => Date.parse(day) / 1000), ...lines.map((line) => [...line.cents])],
      element,
    );
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height: plot.height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [days, lines, currency, theme, isDark]);
  return (
    <figure className={styles.chart}>
      <div className="private" ref={box} role="img" aria-label={summary} />
      <p className="soft small">Days end at midnight, {zone}.</p>
      <details>
        <summary>As a table</summary>
        <a href={csvOf(props)} download="amounts.csv">
          As a file (CSV)
        </a>
        <Table
          caption={summary}
          rows={days.map((day, index) => ({ day, index }))}
          rowKey={(row) => row.day}
          columns={[
            { title: "Day", isName: true, cell: (row) => dayOf(row.day) },
            ...lines.map((line) => ({
              title: line.label,
              align: "end" as const,
              cell: (row: { index: number }) => <span className="money">{said(line.cents[row.index], currency)}</span>,
            })),
          ]}
        />
      </details>
    </figure>
  );
}
