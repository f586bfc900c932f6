/** Instants and days: how long ago, and exactly when, in the organization's time zone and by its clock. */
import { type MouseEvent, useEffect, useState } from "react";
import { useSession } from "@/api/session";
import styles from "./parts.module.css";

const DAY = { day: "numeric", month: "short", year: "numeric" } as const;
const TIME = { hour: "2-digit", minute: "2-digit" } as const;

function writer(how: Intl.DateTimeFormatOptions, language = "en-GB") {
  const format = new Intl.DateTimeFormat(language, how);
  return (at: string) => format.format(new Date(at));
}

/** A day of the calendar, wherever: 27 Nov 2026. */
export const dayOf = writer({ ...DAY, timeZone: "UTC" });
/** Fri 27 Nov */
export const weekdayOf = writer({ weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

/** What a zone's clock and calendar show. A browser that is older than the zone shows UTC, and says so. */
export function clockIn(zone: string): ReturnType<typeof known> {
  try {
    return known(zone);
  } catch {
    return known("UTC");
  }
}

function known(timeZone: string) {
  const exact = writer({ weekday: "short", ...DAY, ...TIME, timeZone });
  const plain = writer({ dateStyle: "short", timeStyle: "short", timeZone }, "sv");
  const fieldOf = (at: string) => plain(at).replace(" ", "T");
  const ahead = (at: number) => Date.parse(`${fieldOf(new Date(at).toISOString())}Z`) - at;
  return {
    zone: timeZone,
    /** Fri, 27 Nov 2026, 14:05 UTC */
    exactly: (at: string) => `${exact(at)} ${timeZone}`,
    day: writer({ ...DAY, timeZone }),
    time: writer({ ...TIME, timeZone }),
    /** What a field of date and time shows, which has no zone; and which instant that is. */
    fieldOf,
    momentOf(field: string) {
      const wall = Date.parse(`${field}Z`);
      return new Date(wall - ahead(wall - ahead(wall))).toISOString();
    },
  };
}

const clocks = new Map<string, ReturnType<typeof known>>();

/** How times are shown here. */
export function useClock() {
  const zone = useSession().data?.organization?.timeZone ?? "UTC";
  const clock = clocks.get(zone) ?? clockIn(zone);
  clocks.set(zone, clock);
  return clock;
}

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** How far from now, in the largest unit that fits; undefined beyond a week. */
export function nearby(at: string, now: string): string | undefined {
  const seconds = Math.round((Date.parse(at) - Date.parse(now)) / 1000);
  const distance = Math.abs(seconds);
  if (distance > 7 * 86_400) return undefined;
  const [unit, size] = STEPS.find(([, length]) => distance >= length) ?? ["second", 1];
  return distance < 60 ? (seconds > 0 ? "in a moment" : "just now") : relative.format(Math.trunc(seconds / size), unit);
}

/** `exact` shows the time itself, not how long ago or the day; `real`: it goes by real time, not by the organization's. */
type Props = { at: string | null | undefined; exact?: boolean; real?: boolean };

export function When({ at, exact: showsExact, real }: Props) {
  const organization = useSession().data?.organization;
  const { exactly, day } = useClock();
  const now = (!real && organization?.now) || new Date().toISOString();
  if (!at) return <span className="soft">never</span>;
  const near = nearby(at, now);
  if (!showsExact) return <Told at={at} brief={near ?? day(at)} full={exactly(at)} />;
  return (
    <time dateTime={at}>
      {exactly(at)} {near && <span className="soft">({near})</span>}
    </time>
  );
}

const WIDEST_PX = 300;

/** A time in brief. The whole of it shows while it is pointed at, or has the focus, until Escape is pressed. */
function Told({ at, brief, full }: { at: string; brief: string; full: string }) {
  const [left, setLeft] = useState<number>();
  const isShown = left !== undefined;
  const hide = () => setLeft(undefined);
  const show = ({ currentTarget }: Pick<MouseEvent<HTMLElement>, "currentTarget">) =>
    setLeft(Math.min(0, innerWidth - WIDEST_PX - currentTarget.getBoundingClientRect().left));
  useEffect(() => {
    if (!isShown) return;
    const onKey = ({ key }: KeyboardEvent) => key === "Escape" && setLeft(undefined);
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [isShown]);
  return (
    <button
      type="button"
      className={`bare ${styles.when}`}
      onClick={show}
      onFocus={show}
      onBlur={hide}
      onMouseEnter={show}
      onMouseLeave={hide}
    >
      <time dateTime={at}>{brief}</time>
      <span className="hidden">, </span>
      <span className={isShown ? styles.whole : "hidden"} style={{ left }}>
        {full}
      </span>
    </button>
  );
}
