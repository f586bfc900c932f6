const PATHS = {
  accounts: "M4 10h16M5 10v8m4.7-8v8m4.6-8v8M19 10v8M3 19h18M12 4 4 8.5h16z",
  approvals: "M4 12.5V18a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-5.5M8.5 9.5l3 3L19 5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3.5 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z",
  copy: "M9 9h10v11H9zM15 9V5H5v11h4",
  cross: "M6.5 6.5l11 11m0-11l-11 11",
  developers: "M8.5 7.5L4 12l4.5 4.5m7-9L20 12l-4.5 4.5",
  down: "M12 5v14m-5.5-5.5L12 19l5.5-5.5",
  external: "M14 4h6v6m0-6l-9 9m6 1v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V8a1 1 0 0 1 1-1h5",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  find: "M10.5 4.5a6 6 0 1 0 0 12 6 6 0 0 0 0-12zM15 15l5 5",
  idle: "M6 12h12",
  map: "M6 9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zm12 11a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM6 9v3a5 5 0 0 0 5 5h4.5",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  note: "M12 11v5.5m0-9h.01M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z",
  overview: "M4 11.5 12 5l8 6.5M6.5 10v9h11v-9",
  pause: "M9 6v12m6-12v12",
  plus: "M12 5v14M5 12h14",
  recipes: "M7 4h10a1 1 0 0 1 1 1v15l-6-3.5L6 20V5a1 1 0 0 1 1-1z",
  redo: "M15 14l5-5-5-5m5 5h-9.5A6.5 6.5 0 0 0 4 15.5V18",
  rules: "M5 6h6m-6 6h14M5 18h9m2-15v6m-3 6v6",
  runs: "M8 5.5v13l10.5-6.5z",
  sandbox: "M9.5 4v5.5L4.5 18a1.5 1.5 0 0 0 1.3 2.2h12.4a1.5 1.5 0 0 0 1.3-2.2l-5-8.5V4M8 4h8m-8.5 10h9",
  settings:
    "M4 8h8m4 0h4M4 16h4m4 0h8M14 5.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zm-4 8a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z",
  simulate: "M4 18.5 9 13l3.5 3L20 7.5M15 7.5h5v5",
  transfers: "M4 9h15m-4-4 4 4-4 4M20 16H5m4-4-4 4 4 4",
  undo: "M9 14L4 9l5-5M4 9h9.5A6.5 6.5 0 0 1 20 15.5V18",
  warning: "M12 9.5v4.5m0 3h.01M12 4 2.8 19.5h18.4z",
} as const;

export type IconName = keyof typeof PATHS;

/** A picture beside a word; never alone, so screen readers pass over it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="1.8" aria-hidden="true">
      <path d={PATHS[name]} strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
