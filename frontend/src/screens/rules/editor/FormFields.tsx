/** Fields drawn from the vocabulary: whatever kind of trigger, action or recipe there is, this is how it is filled in. */
import { useId, useState } from "react";
import { Button } from "@/parts/Button";
import { AmountField, CheckField, Field as Labelled, SelectField, TextField } from "@/parts/Fields";
import type { Account, Definition, Field, Form } from "../api";
import styles from "../rules.module.css";
import { blank, keysOf } from "./draft";

/** Where fields stand: what there is to choose from, what was found at a path, and what an amount's currency is. */
export type Place = {
  accounts: readonly Account[];
  zones: readonly string[];
  currency: string;
  problem: (path: string) => string | undefined;
};
type Props = {
  fields: readonly Field[];
  value: Definition;
  path: string;
  place: Place;
  onValue: (changed: Definition, key: string) => void;
};

export function FormFields({ fields, value, path, place, onValue }: Props) {
  return fields.map((field) => (
    <Any
      key={field.key}
      field={field}
      value={value}
      path={path}
      place={place}
      onValue={(changed) => onValue({ ...value, ...changed }, field.key)}
    />
  ));
}

type One = Omit<Props, "fields" | "onValue"> & { field: Field; onValue: (changed: Definition) => void };

function Any(props: One) {
  const { field, value, place, onValue } = props;
  const path = [props.path, field.key].filter(Boolean).join("/");
  const set = (given: unknown) => onValue({ [field.key]: given });
  const given = value[field.key];
  const about = { label: field.label, hint: field.help || undefined, error: place.problem(path) };
  const needed = { required: field.isRequired };
  const text = { ...about, ...needed, value: String(given ?? ""), maxLength: field.high ?? undefined };
  switch (field.kind) {
    case "account":
      return <AccountField {...about} field={field} given={given} accounts={place.accounts} onGiven={set} />;
    case "amount":
      return (
        <AmountField
          {...about}
          {...needed}
          cents={typeof given === "number" ? given : null}
          currency={place.currency}
          onCents={set}
        />
      );
    case "percent":
      return (
        <TextField
          {...text}
          maxLength={10}
          inputMode="decimal"
          onValue={(typed) => set(typed.trim().replace(",", ".") || null)}
        />
      );
    case "number":
    case "minutes":
      return <NumberField {...about} given={given} isMinutes={field.kind === "minutes"} onGiven={set} />;
    case "choice":
      return (
        <SelectField
          {...about}
          value={String(given ?? "")}
          options={field.choices.map((choice) => [choice.value, choice.label] as const)}
          onValue={set}
        />
      );
    case "flag":
      return <CheckField label={field.label} hint={field.help || undefined} checked={given === true} onChecked={set} />;
    case "long_text":
      return (
        <Labelled {...about}>
          {(wired) => (
            <textarea {...wired} rows={2} value={text.value} onChange={(event) => set(event.target.value || null)} />
          )}
        </Labelled>
      );
    case "local_time":
      return (
        <TextField
          {...text}
          maxLength={undefined}
          type="datetime-local"
          value={text.value.slice(0, 16)}
          onValue={(at) => set(at || null)}
        />
      );
    case "zone":
      return <ZoneField {...text} zones={place.zones} onValue={(zone) => set(zone || null)} />;
    case "object":
      return <ObjectField {...props} path={path} given={given as Definition | null | undefined} onGiven={set} />;
    case "list":
      return <ListField {...props} path={path} rows={(given ?? []) as Definition[]} onRows={set} />;
    case "either":
      return <EitherField {...props} />;
    default:
      return (
        <TextField {...text} type={field.kind === "url" ? "url" : "text"} onValue={(typed) => set(typed || null)} />
      );
  }
}

type AboutField = { label: string; hint?: string | undefined; error?: string | undefined };
type Accounts = AboutField & {
  field: Pick<Field, "role" | "isRequired">;
  given: unknown;
  accounts: readonly Account[];
  onGiven: (id: string | null) => void;
};

export function AccountField({ field, given, accounts, onGiven, ...about }: Accounts) {
  const fitting = accounts.filter((account) => account.id === given || account.roles.includes(field.role ?? "any"));
  const isThere = !given || fitting.some((account) => account.id === given);
  return (
    <SelectField
      {...about}
      required={field.isRequired}
      value={String(given ?? "")}
      options={[
        ["", field.isRequired ? "Choose an account" : "None"],
        ...(isThere ? [] : [[String(given), "An account that is not there"] as const]),
        ...fitting.map((account) => [account.id, account.name] as const),
      ]}
      onValue={(id) => onGiven(id || null)}
    />
  );
}

type Numbers = AboutField & { given: unknown; isMinutes?: boolean; onGiven: (read: number | null) => void };

/** A whole number. What is no number yet stays in the field, and counts as nothing. */
export function NumberField({ given, isMinutes, onGiven, ...about }: Numbers) {
  const [typed, setTyped] = useState(given === null || given === undefined ? "" : String(given));
  return (
    <TextField
      {...about}
      label={isMinutes ? `${about.label} (minutes)` : about.label}
      inputMode="numeric"
      value={typed}
      error={about.error ?? (typed && !/^-?\d+$/.test(typed.trim()) ? "This is no whole number" : undefined)}
      onValue={(text) => {
        setTyped(text);
        onGiven(/^-?\d{1,13}$/.test(text.trim()) ? Number(text) : null);
      }}
    />
  );
}

type Zones = AboutField & { zones: readonly string[]; value: string; onValue: (zone: string) => void };

function ZoneField({ zones, ...field }: Zones) {
  const id = useId();
  return (
    <>
      <TextField {...field} list={id} />
      <datalist id={id}>
        {zones.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </>
  );
}

function ObjectField({
  field,
  place,
  path,
  given,
  onGiven,
}: One & { given: Definition | null | undefined; onGiven: (value: unknown) => void }) {
  return (
    <fieldset className={styles.part}>
      {field.isRequired ? (
        <legend>{field.label}</legend>
      ) : (
        <CheckField
          label={field.label}
          hint={field.help || undefined}
          checked={Boolean(given)}
          onChecked={(isOn) => onGiven(isOn ? blank(field.fields) : null)}
        />
      )}
      {given && (
        <div className="fields">
          <FormFields fields={field.fields} value={given} path={path} place={place} onValue={onGiven} />
        </div>
      )}
    </fieldset>
  );
}

function ListField({
  field,
  place,
  path,
  rows,
  onRows,
}: One & { rows: Definition[]; onRows: (rows: Definition[]) => void }) {
  const problem = place.problem(path);
  return (
    <fieldset className={styles.part}>
      <legend>{field.label}</legend>
      {rows.map((row, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows have no other name.
        <div key={index} className="fields">
          <FormFields
            fields={field.fields}
            value={row}
            path={`${path}/${index}`}
            place={place}
            onValue={(changed) => onRows(rows.map((each, at) => (at === index ? changed : each)))}
          />
          {(rows.length > 1 || !field.isRequired) && (
            <Button
              icon="cross"
              look="quiet"
              aria-label={`Take out number ${index + 1}`}
              onClick={() => onRows(rows.filter((_, at) => at !== index))}
            />
          )}
        </div>
      ))}
      {problem && <span className="problem">{problem}</span>}
      <div>
        <Button act="Another one" icon="plus" onClick={() => onRows([...rows, blank(field.fields)])} />
      </div>
    </fieldset>
  );
}

/** One of several ways to say something; the others' keys are emptied. */
function EitherField({ field, value, path, place, onValue }: One) {
  const filled = field.options.findIndex((option) => keysOf(option.fields).some((key) => value[key] != null));
  const [chosen, setChosen] = useState(Math.max(0, filled));
  const option: Form | undefined = field.options[chosen];
  return (
    <>
      <SelectField
        label={field.label}
        hint={field.help || undefined}
        value={String(chosen)}
        options={field.options.map((each, index) => [String(index), each.label] as const)}
        onValue={(index) => {
          const next = field.options[Number(index)];
          setChosen(Number(index));
          const others = field.options.flatMap((each) => keysOf(each.fields));
          onValue({ ...Object.fromEntries(others.map((key) => [key, null])), ...blank(next?.fields ?? []) });
        }}
      />
      {option && (
        <FormFields
          key={option.type}
          fields={option.fields}
          value={value}
          path={path}
          place={place}
          onValue={(changed) => onValue(changed)}
        />
      )}
    </>
  );
}
