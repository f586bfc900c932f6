/** Amounts, written. Whole minor units come in, and no sum is ever made of them here. */
import type { Column } from "./Table";

const formats = new Map<string, Intl.NumberFormat>();

function formatOf(currency: string): Intl.NumberFormat {
  let format = formats.get(currency);
  if (!format) {
    format = new Intl.NumberFormat("en-US", { style: "currency", currency });
    formats.set(currency, format);
  }
  return format;
}

export function digitsOf(currency: string): number {
  return formatOf(currency).resolvedOptions().maximumFractionDigits ?? 2;
}

/** Write minor units exactly, without a sign: 123456 -> $1,234.56. */
function written(cents: number, currency: string): string {
  const digits = digitsOf(currency);
  const text = String(Math.abs(cents)).padStart(digits + 1, "0");
  const whole = text.slice(0, text.length - digits);
  const decimal = digits ? `${whole}.${text.slice(-digits)}` : whole;
  return formatOf(currency).format(decimal as Intl.StringNumericLiteral);
}

/** An amount as text, where no element can stand: −$12.50. */
export function moneyText(cents: number, currency: string): string {
  return (cents < 0 ? "−" : "") + written(cents, currency);
}

type Props = { cents: number | null | undefined; currency: string; signed?: boolean; className?: string };

/** An amount. `signed` also shows a plus. Where it is not known, a dash that says so. */
export function Money({ cents, currency, signed, className = "" }: Props) {
  if (cents === null || cents === undefined) {
    return (
      <span className={`money soft ${className}`}>
        <span aria-hidden="true">–</span>
        <span className="hidden">not known</span>
      </span>
    );
  }
  return (
    <span className={`money ${className}`}>
      {cents < 0 && (
        <>
          <span className="hidden">minus </span>
          <span aria-hidden="true">−</span>
        </>
      )}
      {signed && cents > 0 && "+"}
      {written(cents, currency)}
    </span>
  );
}

type Sum = { amountInCents: number; currency: string };

/** What was moved in each currency. */
export function Sums({ sums }: { sums: readonly Sum[] }) {
  if (!sums.length) return <span className="soft">Nothing</span>;
  return (
    <span className="stack tight">
      {sums.map((sum) => (
        <Money key={sum.currency} cents={sum.amountInCents} currency={sum.currency} />
      ))}
    </span>
  );
}

/** A table's column of amounts, each with its currency. */
export function amounts<Row>(title: string, read: (row: Row) => readonly [number | null, string]): Column<Row> {
  return {
    title,
    align: "end",
    cell: (row) => {
      const [cents, currency] = read(row);
      return <Money cents={cents} currency={currency} />;
    },
  };
}

/** Read what was typed into whole minor units: "1,234.56", "1.234,56" and "1234.5"; null where it is no amount. */
export function readAmount(text: string, currency: string): number | null {
  const digits = digitsOf(currency);
  const typed = text.replace(/[\s\u00a0\u202f'$€£]/g, "");
  const mark = Math.max(typed.lastIndexOf("."), typed.lastIndexOf(","));
  const after = typed.length - mark - 1;
  const isDecimal = mark >= 0 && digits > 0 && after <= digits;
  const whole = (isDecimal ? typed.slice(0, mark) : typed).replace(/[.,](?=\d{3}(?:[.,]|$))/g, "");
  const part = isDecimal ? typed.slice(mark + 1) : "";
  if (!/^\d{1,13}$/.test(whole || "0") || !/^\d*$/.test(part) || !(whole || part)) return null;
  return Number((whole || "0") + part.padEnd(digits, "0"));
}
