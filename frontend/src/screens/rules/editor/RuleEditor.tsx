/** Draws a rule up: when, if, then, otherwise; the sentence and what is wrong are the server's, and stand beside it. */
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useReducer, useRef, useState } from "react";
import { useBlocker, useNavigate, useSearchParams } from "react-router";
import { answered, api, ask, at, type Refused } from "@/api/client";
import { queries, useOrganization } from "@/api/session";
import { AmountField, Button, Card, Confirm, ErrorSummary, Form, Icon, Loaded, Page, SelectField, say } from "@/parts";
import { Notice } from "@/parts/Notice";
import { useTransfer } from "@/screens/transfers/Transfer";
import { type Checked, type Definition, type Rule, useRule, useRuleId, useVocabulary, type Vocabulary } from "../api";
import styles from "../rules.module.css";
import { Changes, Oddities, Rehearsal, Says, Tests } from "../Told";
import { Asides } from "./Asides";
import { begin, blank, get, parted, put, step } from "./draft";
import { FormFields, type Place } from "./FormFields";
import { KEPT, useKept } from "./kept";
import { newAction, Steps } from "./Steps";
import { nodeId, problemAt, takeText, useWorkbench, type Workbench, WorkbenchProvider } from "./workbench";

export default function RuleEditor() {
  const id = useRuleId();
  const like = useSearchParams()[0].get("like") ?? "";
  const rule = useRule(id);
  const transfer = useTransfer(like);
  const kept = useKept();
  const vocabulary = useVocabulary();
  return (
    <Loaded query={kept.data ? vocabulary : kept}>
      {(words) =>
        id ? (
          <Loaded query={rule}>{(saved) => <Editor key={saved.id} words={words} saved={saved} />}</Loaded>
        ) : like ? (
          <Loaded query={transfer}>{(made) => <Editor words={words} drawn={made.everyTime ?? {}} of={like} />}</Loaded>
        ) : (
          <Editor words={words} />
        )
      }
    </Loaded>
  );
}

function newRule(words: Vocabulary): Definition {
  const trigger = words.triggers[0];
  return {
    name: null,
    description: null,
    trigger: { type: trigger?.type, ...blank(trigger?.fields ?? []) },
    steps: [{ conditions: null, actions: [newAction(words.actions[0])] }],
    set_aside: [],
  };
}

function withAsides({ definition, setAside }: Rule): Definition {
  return { ...definition, set_aside: setAside.map(({ words: _, ...aside }) => aside) };
}

/** A draft stays until it is saved or thrown away, or whoever writes it signs out. */
type Kept = { definition: Definition; revision: number };

const CHECK_MS = 250;

/** Let the server look at a draft, a moment after the last change; what it said before stays until then. */
function useChecked(definition: Definition, ruleId: string | undefined) {
  const [settled, setSettled] = useState(definition);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(definition), CHECK_MS);
    return () => clearTimeout(timer);
  }, [definition]);
  const query = useQuery({
    queryKey: ["draft", ruleId, settled],
    queryFn: () =>
      answered(api.POST("/app/rule-drafts/check", { body: { ...parted(settled), ruleId: ruleId ?? null } })),
    placeholderData: keepPreviousData,
    gcTime: 10_000,
  });
  return { ...query, isCurrent: settled === definition && !query.isPlaceholderData && !query.isFetching };
}

/** `drawn`: what a new rule begins with, of something that was done by hand. */
type EditorProps = { words: Vocabulary; saved?: Rule; drawn?: Definition; of?: string };

function Editor({ words, saved, drawn, of }: EditorProps) {
  const { id: organizationId, currency } = useOrganization();
  const [key] = useState(() => [KEPT, saved?.id ?? of ?? organizationId]);
  // What the edit began with; a save by somebody else meanwhile does not change what is written here.
  const [original] = useState(() => ({
    definition: saved ? withAsides(saved) : newRule(words),
    revision: saved?.revision ?? 0,
  }));
  const [found] = useState(() => queries.getQueryData<Kept>(key));
  const [state, act] = useReducer(step, begin(found?.definition ?? { ...original.definition, ...drawn }));
  const revision = useRef(found?.revision ?? original.revision);
  const [isStrict, setStrict] = useState(Boolean(saved));
  const [isRestored, setRestored] = useState(Boolean(found));
  const isDirty = JSON.stringify(state.now) !== JSON.stringify(original.definition);
  const isLeaving = useRef(false);
  const { data: checked, isCurrent } = useChecked(state.now, saved?.id);
  const navigate = useNavigate();

  useEffect(() => {
    if (isLeaving.current) return;
    if (isDirty) queries.setQueryData<Kept>(key, { definition: state.now, revision: revision.current });
    else queries.removeQueries({ queryKey: key });
  }, [key, isDirty, state.now]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of shape names anew what has the focus.
  useEffect(() => {
    if (state.focus) document.getElementById(nodeId(state.focus))?.focus();
  }, [state.focus, state.epoch]);

  const save = useMutation<Rule, Refused>({
    mutationFn: async () => {
      const body = parted(state.now);
      const answer = saved
        ? await ask(api.PUT("/app/rules/{id}", { ...at(saved.id), body: { ...body, revision: revision.current } }))
        : await ask(api.POST("/app/rules", { body }));
      return answer.data;
    },
    onSuccess: async (rule) => {
      isLeaving.current = true;
      queries.removeQueries({ queryKey: key });
      say("Saved. It is off until somebody has reviewed and enabled it.");
      queries.setQueryData(["rules", rule.id], rule);
      void queries.invalidateQueries({ queryKey: ["rules"] });
      await navigate(`/rules/${rule.id}/review`);
    },
  });
  const look = useMutation({
    mutationFn: (amountInCents: number | null) =>
      answered(
        api.POST("/app/rule-drafts/try", {
          body: { definition: parted(state.now).definition, ruleId: saved?.id ?? null, amountInCents },
        }),
      ),
  });

  function tryToSave() {
    setStrict(true);
    if (checked && isCurrent && !checked.canBeSaved) document.getElementById("findings")?.focus();
    else if (!save.isPending) save.mutate();
  }
  useKeys({ undo: () => act({ do: "undo" }), redo: () => act({ do: "redo" }), save: tryToSave });
  usePaste();
  const blocker = useBlocker(
    ({ currentLocation }) => isDirty && !isLeaving.current && currentLocation.pathname.startsWith("/rules/"),
  );
  useEffect(() => {
    if (!isDirty) return;
    const warn = (event: BeforeUnloadEvent) => event.preventDefault();
    addEventListener("beforeunload", warn);
    return () => removeEventListener("beforeunload", warn);
  }, [isDirty]);

  const bench: Workbench = {
    words,
    definition: state.now,
    checked,
    isStrict,
    currencyOf: (account) => words.accounts.find((each) => each.id === account)?.currency ?? currency,
    put: (path, value) => act({ do: "put", path, value }),
    shape: (now, focus) => act({ do: "shape", now, ...(focus ? { focus } : {}) }),
  };
  return (
    <WorkbenchProvider value={bench}>
      <Page
        title={saved ? `Edit “${saved.name}”` : "New rule"}
        intro={
          saved?.state === "enabled" ? "Saving an edit turns the rule off until it has been reviewed again." : undefined
        }
        actions={
          <>
            <Button act="Undo" icon="undo" disabled={!state.past.length} onClick={() => act({ do: "undo" })} />
            <Button act="Redo" icon="redo" disabled={!state.future.length} onClick={() => act({ do: "redo" })} />
            <SaveButton isDirty={isDirty || !saved} isBusy={save.isPending} onSave={tryToSave} />
          </>
        }
      >
        <ErrorSummary error={save.error} />
        {isRestored && (
          <Notice tone="note" title="This is the draft that you left here">
            <div>
              <Button
                act={saved ? "Begin again with what is saved" : "Begin anew"}
                onClick={() => {
                  revision.current = original.revision;
                  act({ do: "reset", now: original.definition });
                  setRestored(false);
                }}
              />
            </div>
          </Notice>
        )}
        <Card>
          <div className="stack" aria-busy={!isCurrent}>
            <p className={styles.sentence}>
              {checked?.sentence ?? (
                <span className="soft">In words: as soon as every field is filled in, the sentence is here.</span>
              )}
            </p>
            {checked && <Oddities oddities={checked.oddities} />}
          </div>
        </Card>
        <div className={styles.editor}>
          <div className="stack wide" key={state.epoch}>
            <Card title="When">
              <Trigger />
            </Card>
            <Steps />
            <Asides />
            <Card title="Name and safeguards">
              <div className="fields">
                <Settings />
              </div>
            </Card>
          </div>
          <div className={`stack ${styles.aside}`}>
            {checked && checked.findings.length > 0 && (
              <Card title="What is found">
                <Findings checked={checked} />
              </Card>
            )}
            {saved && checked && checked.changes.length > 0 && (
              <Card title="What saving would change">
                <Changes changes={checked.changes} />
              </Card>
            )}
            {checked && <Tests title="Its tests, on this draft" tests={checked.tests} />}
            <Try isReady={Boolean(checked?.canBeSaved)} look={look} />
            <div className="row end">
              <SaveButton isDirty={isDirty || !saved} isBusy={save.isPending} onSave={tryToSave} />
            </div>
          </div>
        </div>
        <Confirm
          title="Leave this draft?"
          act="Leave"
          isOpen={blocker.state === "blocked"}
          onClose={() => blocker.reset?.()}
          onAct={() => blocker.proceed?.()}
          onDone={() => {}}
        >
          <p>It is not saved. It stays in this browser, and is here again when you come back.</p>
        </Confirm>
      </Page>
    </WorkbenchProvider>
  );
}

function SaveButton({ isDirty, isBusy, onSave }: { isDirty: boolean; isBusy: boolean; onSave: () => void }) {
  return <Button act="Save and review" look="primary" disabled={!isDirty || isBusy} onClick={onSave} />;
}

function useKeys(acts: Record<"undo" | "redo" | "save", () => void>) {
  const latest = useRef(acts);
  latest.current = acts;
  useEffect(() => {
    function onKey(event: KeyboardEvent) {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      const key = event.key.toLowerCase();
      const act =
        key === "z" ? (event.shiftKey ? "redo" : "undo") : key === "y" ? "redo" : key === "s" ? "save" : undefined;
      if (!act) return;
      event.preventDefault();
      latest.current[act]();
    }
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, []);
}

const PASTED = { condition: "A condition", action: "A move", step: "A step" };

/** Ctrl+V outside of fields takes a part of a rule over as JSON; where it goes, a button says. */
function usePaste() {
  const [, again] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    function onPaste(event: ClipboardEvent) {
      if ((event.target as Element).closest?.("input, textarea")) return;
      const kind = takeText(event.clipboardData?.getData("text/plain") ?? "");
      if (!kind) return;
      again();
      say(`${PASTED[kind]} is ready: choose “Paste” where it belongs.`);
    }
    document.addEventListener("paste", onPaste);
    return () => document.removeEventListener("paste", onPaste);
  }, []);
}

function usePlace(account: unknown): Place {
  const bench = useWorkbench();
  const { accounts, zones } = bench.words;
  return { accounts, zones, currency: bench.currencyOf(account), problem: (path) => problemAt(bench, path) };
}

function Trigger() {
  const bench = useWorkbench();
  const { words, definition, shape } = bench;
  const value = (definition.trigger ?? {}) as Definition;
  const form = words.triggers.find((each) => each.type === value.type);
  const place = usePlace(value.account_id);
  return (
    <div className="fields" id={nodeId("trigger")} tabIndex={-1}>
      <SelectField
        label="What starts it"
        hint={form?.help}
        value={String(value.type ?? "")}
        options={words.triggers.map((each) => [each.type, each.label] as const)}
        onValue={(type) => {
          const next = words.triggers.find((each) => each.type === type);
          const account = value.account_id == null ? {} : { account_id: value.account_id };
          const trigger = { type, ...blank(next?.fields ?? []), ...account };
          shape(put(definition, ["trigger"], trigger) as Definition, "trigger");
        }}
      />
      <FormFields
        fields={form?.fields ?? []}
        value={value}
        path="trigger"
        place={place}
        onValue={(changed) => bench.put(["trigger"], changed)}
      />
    </div>
  );
}

function Settings() {
  const bench = useWorkbench();
  const place = usePlace(get(bench.definition, ["trigger", "account_id"]));
  return (
    <FormFields
      fields={bench.words.settings}
      value={bench.definition}
      path=""
      place={place}
      onValue={(changed, key) => bench.put([key], changed[key])}
    />
  );
}

/** Everything that was found, each a link to where it is. */
function Findings({ checked }: { checked: Checked }) {
  const { isStrict } = useWorkbench();
  const shown = checked.findings.filter((finding) => isStrict || finding.code !== "missing");
  const missing = checked.findings.length - shown.length;
  return (
    <div id="findings" tabIndex={-1} className="stack tight">
      {missing > 0 && (
        <p className="soft small">{missing === 1 ? "One field is" : `${missing} fields are`} still to be filled in.</p>
      )}
      {shown.length > 0 && (
        <ul className="stack tight">
          {shown.map((finding) => (
            <li key={finding.path + finding.code + finding.message}>
              <Says finding={finding} />
              {finding.path && (
                <Button act="Go there" look="quiet" className="small" onClick={() => goTo(finding.path)} />
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Put the focus on the node that a path is in. */
function goTo(path: string) {
  for (let at = path; at; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
    const node = document.getElementById(nodeId(at));
    if (node) {
      node.scrollIntoView({ block: "center" });
      node.focus({ preventScroll: true });
      return;
    }
  }
}

type Look = {
  data: Parameters<typeof Rehearsal>[0]["tried"] | undefined;
  error: Error | null;
  isPending: boolean;
  mutate: (cents: number | null) => void;
};

function Try({ isReady, look }: { isReady: boolean; look: Look }) {
  const { definition, currencyOf } = useWorkbench();
  const [cents, setCents] = useState<number | null>(null);
  const currency = currencyOf(get(definition, ["trigger", "account_id"]));
  return (
    <Card title="Try it">
      <div className="stack">
        <Form
          error={look.error}
          act={
            <>
              <Icon name="simulate" />
              Simulate
            </>
          }
          isMinor
          isBusy={!isReady || look.isPending}
          onSend={() => look.mutate(cents)}
        >
          <AmountField
            label="With this amount"
            hint="Empty: the latest that really arrived."
            cents={cents}
            currency={currency}
            onCents={setCents}
          />
        </Form>
        {look.data && <Rehearsal tried={look.data} />}
      </div>
    </Card>
  );
}
