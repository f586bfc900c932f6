/** What people expect of a rule: each test is a scenario that was kept with what came of it, and runs on every edit. */
import { useQuery } from "@tanstack/react-query";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { answered, api, ask, at } from "@/api/client";
import { queries } from "@/api/session";
import { Card, Empty, Facts, Loaded, Page, When } from "@/parts";
import { Delete } from "@/parts/Delete";
import { useRule, useRuleId } from "./api";
import { RuleTabs } from "./RuleDetail";
import styles from "./rules.module.css";
import { Passing } from "./Told";

type Test = components["schemas"]["RuleTestShown"];

export default function RuleTests() {
  const id = useRuleId();
  const rule = useRule(id);
  const tests = useQuery({
    queryKey: ["rules", id, "tests"],
    queryFn: () => answered(api.GET("/app/rules/{id}/tests", at(id))),
  });
  const canEdit = rule.data?.can.includes("edit") ?? false;
  return (
    <Page
      title={rule.data?.name ?? "Tests"}
      intro="Scenarios with what is expected of them. They run on every edit, and nothing moves."
      actions={
        canEdit && (
          <Link to={`/simulate?rule=${id}`} className="button">
            Draw up a test
          </Link>
        )
      }
    >
      <RuleTabs id={id} />
      <Loaded query={tests}>
        {(found) =>
          found.length === 0 ? (
            <Empty icon="approvals" title="No tests yet">
              Simulate what matters to you, and keep it as a test: from then on you see at once when an edit changes it.
            </Empty>
          ) : (
            found.map((test) => <Shown key={test.id} ruleId={id} test={test} canDelete={canEdit} />)
          )
        }
      </Loaded>
    </Page>
  );
}

function Shown({ ruleId, test, canDelete }: { ruleId: string; test: Test; canDelete: boolean }) {
  const path = { ruleId, id: test.id };
  const lines = (said: readonly string[]) => <span className={styles.lines}>{said.join("\n")}</span>;
  return (
    <Card title={test.name} actions={<Passing isPassed={test.isPassed} />}>
      <div className="stack">
        {!test.isPassed && <p>{test.said}</p>}
        <Facts
          facts={[
            ["What happens", test.cause],
            ["When", <When key="at" at={test.at} exact />],
            ["Expected", lines(test.expected)],
            !test.isPassed && ["It does now", lines(test.got)],
          ]}
        />
        <details>
          <summary>What it takes to be so</summary>
          <Facts facts={test.given.map(({ name, said }) => [name, said] as const)} />
        </details>
        {canDelete && (
          <div className="row end">
            <Delete
              what="test"
              name={test.name}
              remove={() => ask(api.DELETE("/app/rules/{ruleId}/tests/{id}", { params: { path } }))}
              onGone={() => void queries.invalidateQueries({ queryKey: ["rules", ruleId, "tests"] })}
            >
              It no longer runs when the rule is edited. The rule stays as it is.
            </Delete>
          </div>
        )}
      </div>
    </Card>
  );
}
