/** One rule: its sentence, its steps, how it is doing, and what a person may do with it. */
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { api, ask, type Refused } from "@/api/client";
import { useOrganization } from "@/api/session";
import { Confirm, Dialog } from "@/parts/Dialog";
import { AmountField, ErrorSummary } from "@/parts/Fields";
import { Icon } from "@/parts/icons";
import { Loaded } from "@/parts/Loaded";
import { Card, Facts, Page } from "@/parts/Page";
import { say } from "@/parts/Says";
import { State } from "@/parts/State";
import { Tabs } from "@/parts/Tabs";
import { When } from "@/parts/When";
import { at, type Rule, useRule, useRuleId } from "./api";
import { Sums } from "./RuleList";
import styles from "./rules.module.css";
import { Oddities, Outline, Rehearsal } from "./Told";

export default function RuleDetail() {
  const id = useRuleId();
  return <Loaded query={useRule(id)}>{(rule) => <Shown rule={rule} />}</Loaded>;
}

export function RuleTabs({ id }: { id: string }) {
  return (
    <Tabs
      label="Of this rule"
      tabs={[
        [`/rules/${id}`, "Rule"],
        [`/rules/${id}/history`, "Versions"],
      ]}
    />
  );
}

function Shown({ rule }: { rule: Rule }) {
  const { can, latestRun } = rule;
  return (
    <Page
      title={rule.name}
      intro={rule.description ?? undefined}
      actions={
        <>
          {can.includes("run") && <RunNow rule={rule} />}
          {can.includes("edit") && (
            <Link to={`/rules/${rule.id}/edit`} className="button">
              Edit
            </Link>
          )}
          {can.includes("disable") && <Disable rule={rule} />}
          {rule.state !== "enabled" && (
            <Link to={`/rules/${rule.id}/review`} className="button primary">
              {can.includes("enable") ? "Review and enable" : "Review"}
            </Link>
          )}
        </>
      }
    >
      <RuleTabs id={rule.id} />
      <Oddities oddities={rule.oddities} />
      <Card>
        <div className="stack">
          <p className={styles.sentence}>{rule.sentence}</p>
          <Facts
            facts={[
              ["State", <State key="state" of={rule.state} />],
              [
                "Last run",
                latestRun ? (
                  <span key="run" className="row">
                    <Link to={`/runs/${latestRun.id}`}>
                      <State of={latestRun.ending} />
                    </Link>
                    <span>{latestRun.said}</span>
                    <span className="soft">
                      <When at={latestRun.at} />
                    </span>
                  </span>
                ) : (
                  "Never"
                ),
              ],
              ["Moved this month", <Sums key="sums" sums={rule.movedThisMonth} />],
              [
                "Runs",
                <Link key="runs" to={`/runs?rule=${rule.id}`}>
                  All runs of this rule
                </Link>,
              ],
              ["Last changed", <When key="when" at={rule.updatedAt} exact />],
            ]}
          />
        </div>
      </Card>
      <Card title="Step by step">
        <Outline lines={rule.lines} findings={rule.findings} />
      </Card>
      {rule.setAside.length > 0 && (
        <Card title="Set aside">
          <p className="soft small">
            Kept with the rule, and no part of it: this does nothing until somebody puts it back.
          </p>
          <ul className="stack tight">
            {rule.setAside.map(({ path, words, note }) => (
              <li key={path + words}>
                {words}
                {note && <span className="soft"> · {note}</span>}
              </li>
            ))}
          </ul>
        </Card>
      )}
      {can.includes("delete") && (
        <div className="row end">
          <Delete rule={rule} />
        </div>
      )}
    </Page>
  );
}

function Disable({ rule }: { rule: Rule }) {
  const queries = useQueryClient();
  const disable = useMutation<unknown, Refused>({
    mutationFn: () => ask(api.POST("/app/rules/{id}/disable", at(rule.id))),
    onSuccess: () => {
      say("It is off. It moves nothing more.");
      void queries.invalidateQueries({ queryKey: ["rules"] });
    },
  });
  return (
    <button type="button" className="button" disabled={disable.isPending} onClick={() => disable.mutate()}>
      Turn off
    </button>
  );
}

function Delete({ rule }: { rule: Rule }) {
  const [isOpen, setOpen] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const remove = useMutation<unknown, Refused>({
    mutationFn: () => ask(api.DELETE("/app/rules/{id}", at(rule.id))),
    onSuccess: async () => {
      say("Deleted. Its runs are kept.");
      await navigate("/rules");
      queries.removeQueries({ queryKey: ["rules", rule.id] });
      void queries.invalidateQueries({ queryKey: ["rules"] });
    },
  });
  return (
    <>
      <button type="button" className="button danger" onClick={() => setOpen(true)}>
        Delete
      </button>
      <Confirm
        title={`Delete “${rule.name}”?`}
        act="Delete the rule"
        isDanger
        isOpen={isOpen}
        isBusy={remove.isPending}
        onClose={() => setOpen(false)}
        onAct={() => remove.mutate()}
      >
        <ErrorSummary error={remove.error} />
        <p>It moves nothing more and leaves the list. Its runs and what it moved stay on record.</p>
      </Confirm>
    </>
  );
}

/** Run a rule by hand: first what would happen, then the button that does it. */
function RunNow({ rule }: { rule: Rule }) {
  const [isOpen, setOpen] = useState(false);
  const [cents, setCents] = useState<number | null>(null);
  const { currency } = useOrganization();
  const navigate = useNavigate();
  const body = cents === null ? {} : { amountInCents: cents };
  const look = useMutation({
    mutationFn: async () => (await ask(api.POST("/app/rules/{id}/try", { ...at(rule.id), body }))).data,
  });
  const run = useMutation({
    mutationFn: async (key: string) =>
      (await ask(api.POST("/app/rules/{id}/trigger", { ...at(rule.id), body, headers: { "Idempotency-Key": key } })))
        .data,
    onSuccess: ({ runId }) => navigate(`/runs/${runId}`),
  });
  return (
    <>
      <button type="button" className="button" onClick={() => setOpen(true)}>
        <Icon name="runs" />
        Run now
      </button>
      <Dialog title="Run it now" isOpen={isOpen} onClose={() => setOpen(false)}>
        <form
          className="stack"
          onSubmit={(event) => {
            event.preventDefault();
            look.mutate();
          }}
        >
          <AmountField
            label="Amount (if it needs one)"
            hint="Stands in for what has arrived and for what is there."
            cents={cents}
            currency={currency}
            onCents={(read) => {
              setCents(read);
              look.reset();
            }}
          />
          <ErrorSummary error={look.error ?? run.error} />
          {look.data && <Rehearsal tried={look.data} />}
          <div className="row end">
            <button type="submit" className={look.data ? "button" : "button primary"} disabled={look.isPending}>
              See what would happen
            </button>
            {look.data && (
              <button
                type="button"
                className="button primary"
                disabled={run.isPending}
                onClick={() => run.mutate(crypto.randomUUID())}
              >
                Run it
              </button>
            )}
          </div>
        </form>
      </Dialog>
    </>
  );
}
