/** Instants: how long ago, and exactly when, in the organization's time zone and by its clock. */
import { useSession } from "@/api/session";

export const ZONE = "UTC"; // Rules run by UTC unless they name a zone of their own; pages say the same times.
const exact = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZone: ZONE,
});
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: ZONE });
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const STEPS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
] as const;

/** 5 Dec 2026, of a day such as 2026-12-05: it is that day in every time zone. */
const plainDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });
export const dayOf = (on: string) => plainDay.format(new Date(on));

/** Fri, 27 Nov 2026, 14:05 UTC */
export function exactly(at: string): string {
  return `${exact.format(new Date(at))} ${ZONE}`;
}

/** How far from now, in the largest unit that fits; undefined beyond a week. */
export function nearby(at: string, now: string): string | undefined {
  const seconds = Math.round((Date.parse(at) - Date.parse(now)) / 1000);
  const distance = Math.abs(seconds);
  if (distance > 7 * 86_400) return undefined;
  const [unit, size] = STEPS.find(([, length]) => distance >= length) ?? ["second", 1];
  return distance < 60 ? (seconds > 0 ? "in a moment" : "just now") : relative.format(Math.trunc(seconds / size), unit);
}

/** `exact` shows the time itself; otherwise how long ago, or the day, with the time itself one hover or focus away. */
/** `real`: of something that goes by real time, whatever the organization's clock says. */
type Props = { at: string | null | undefined; exact?: boolean; real?: boolean };

export function When({ at, exact: showsExact, real }: Props) {
  const organization = useSession().data?.organization;
  const now = (!real && organization?.now) || new Date().toISOString();
  if (!at) return <span className="soft">never</span>;
  const full = exactly(at);
  const near = nearby(at, now);
  if (showsExact) {
    return (
      <time dateTime={at}>
        {full} {near && <span className="soft">({near})</span>}
      </time>
    );
  }
  return (
    <time dateTime={at} title={full}>
      {near ?? day.format(new Date(at))}
      <span className="hidden">, {full}</span>
    </time>
  );
}
