/** Fields of forms: a label, a hint, what is wrong, and a native control that knows of all three. */
import { type ComponentProps, type ReactNode, useEffect, useId, useRef, useState } from "react";
import type { Refused } from "@/api/client";
import { Button } from "./Button";
import { moneyText, readAmount } from "./Money";
import styles from "./parts.module.css";

type About = { label: ReactNode; hint?: ReactNode; error?: string | undefined };
type Wired = { id: string; "aria-describedby": string | undefined; "aria-invalid": boolean };

/** Wire any control: `{(wired) => <input {...wired} />}`. */
export function Field({ label, hint, error, children }: About & { children: (wired: Wired) => ReactNode }) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-problem`].filter(Boolean).join(" ") || undefined;
  return (
    <div className="stack tight">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": described, "aria-invalid": Boolean(error) })}
      {hint && (
        <span className="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {error && (
        <span className="problem" id={`${id}-problem`}>
          {error}
        </span>
      )}
    </div>
  );
}

type Value = { value: string; onValue: (value: string) => void };

export function TextField({ label, hint, error, onValue, ...input }: About & Value & ComponentProps<"input">) {
  return (
    <Field label={label} hint={hint} error={error}>
      {(wired) => <input autoComplete="off" {...input} {...wired} onChange={(event) => onValue(event.target.value)} />}
    </Field>
  );
}

type Option = readonly [value: string, word: string];

export function SelectField(props: About & Value & { options: readonly Option[] } & ComponentProps<"select">) {
  const { label, hint, error, onValue, options, ...select } = props;
  return (
    <Field label={label} hint={hint} error={error}>
      {(wired) => (
        <select {...select} {...wired} onChange={(event) => onValue(event.target.value)}>
          {options.map(([value, word]) => (
            <option key={value} value={value}>
              {word}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

type Amount = About & { cents: number | null; currency: string; onCents: (cents: number | null) => void };

/** An amount; says below what it understood, as soon as that differs from what was typed. */
export function AmountField({
  label,
  hint,
  error,
  cents,
  currency,
  onCents,
  ...input
}: Amount & ComponentProps<"input">) {
  const [typed, setTyped] = useState(cents === null ? "" : moneyText(cents, currency).replace(/[^\d.,]/g, ""));
  const read = readAmount(typed, currency);
  const unread = typed.trim() && read === null ? "This is no amount. Write it like 1,234.56" : undefined;
  return (
    <Field label={label} hint={read === null ? hint : `= ${moneyText(read, currency)}`} error={error ?? unread}>
      {(wired) => (
        <input
          {...input}
          {...wired}
          inputMode="decimal"
          autoComplete="off"
          className={styles.amount}
          value={typed}
          onChange={(event) => {
            setTyped(event.target.value);
            onCents(readAmount(event.target.value, currency));
          }}
        />
      )}
    </Field>
  );
}

type Check = { label: ReactNode; hint?: ReactNode; checked: boolean; onChecked: (checked: boolean) => void };

export function CheckField({ label, hint, checked, onChecked, ...input }: Check & ComponentProps<"input">) {
  const id = useId();
  return (
    <div className={styles.check}>
      <input
        {...input}
        type="checkbox"
        id={id}
        checked={checked}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => onChecked(event.target.checked)}
      />
      <div>
        <label htmlFor={id}>{label}</label>
        {hint && (
          <div className="hint" id={`${id}-hint`}>
            {hint}
          </div>
        )}
      </div>
    </div>
  );
}

type Sending = { error?: Error | null; isBusy?: boolean; noValidate?: boolean; onSend: () => void };
type FormProps = Sending & { act?: ReactNode; isMinor?: boolean; beside?: ReactNode; children: ReactNode };

/** A form: what stands in its way comes first, and last the button that says what it does, with others `beside` it. */
export function Form({ error, act, isBusy, isMinor, noValidate, beside, onSend, children }: FormProps) {
  return (
    <form
      className="stack"
      noValidate={noValidate}
      onSubmit={(event) => {
        event.preventDefault();
        onSend();
      }}
    >
      <ErrorSummary error={error} />
      {children}
      {act && (
        <div className={`row ${styles.act}`}>
          {beside}
          <Button act={act} look={isMinor ? undefined : "primary"} type="submit" disabled={isBusy} />
        </div>
      )}
    </form>
  );
}

/** What stands in the way, told first and together; it takes the focus so that nobody misses it. */
export function ErrorSummary({ error }: { error: Refused | Error | null | undefined }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (error) box.current?.focus();
  }, [error]);
  if (!error) return null;
  const errors = "errors" in error ? error.errors.filter(({ message }) => !error.message.includes(message)) : [];
  return (
    <div className={styles.summary} role="alert" tabIndex={-1} ref={box}>
      <strong>{error.message}</strong>
      {errors.length > 0 && (
        <ul>
          {errors.map((problem) => (
            <li key={problem.path + problem.code}>{problem.message}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
