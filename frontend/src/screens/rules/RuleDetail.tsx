/** One rule: its sentence, its steps, how it is doing, and what a person may do with it. */
import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "react-router";
import { api, ask, at, type Refused } from "@/api/client";
import { queries } from "@/api/session";
import { Button, Card, Facts, LoadedPage, Page, State, Sums, say, When } from "@/parts";
import { Delete } from "@/parts/Delete";
import { Tabs } from "@/parts/Tabs";
import { type Rule, useRule, useRuleId } from "./api";
import { RunNow } from "./RunNow";
import styles from "./rules.module.css";
import { Oddities, Outline } from "./Told";

export default function RuleDetail() {
  const id = useRuleId();
  return <LoadedPage query={useRule(id)}>{(rule) => <Shown rule={rule} />}</LoadedPage>;
}

export function RuleTabs({ id }: { id: string }) {
  return (
    <Tabs
      label="Of this rule"
      tabs={[
        [`/rules/${id}`, "Rule"],
        [`/rules/${id}/tests`, "Tests"],
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
          {can.includes("run") && <RunNow ruleId={rule.id} word="Run now" />}
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
                    <When at={latestRun.at} />
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
          <div className="stack">
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
          </div>
        </Card>
      )}
      {can.includes("delete") && (
        <div className="row end">
          <DeleteRule rule={rule} />
        </div>
      )}
    </Page>
  );
}

function Disable({ rule }: { rule: Rule }) {
  const disable = useMutation<unknown, Refused>({
    mutationFn: () => ask(api.POST("/app/rules/{id}/disable", at(rule.id))),
    onSuccess: () => {
      say("It is off. It moves nothing more.");
      void queries.invalidateQueries({ queryKey: ["rules"] });
    },
  });
  return <Button act="Turn off" disabled={disable.isPending} onClick={() => disable.mutate()} />;
}

function DeleteRule({ rule }: { rule: Rule }) {
  const navigate = useNavigate();
  async function leave() {
    say("Deleted. Its runs are kept.");
    await navigate("/rules");
    queries.removeQueries({ queryKey: ["rules", rule.id] });
    void queries.invalidateQueries({ queryKey: ["rules"] });
  }
  const remove = () => ask(api.DELETE("/app/rules/{id}", at(rule.id)));
  return (
    <Delete what="rule" name={rule.name} remove={remove} onGone={leave}>
      It moves nothing more and leaves the list. Its runs and what it moved stay on record.
    </Delete>
  );
}
