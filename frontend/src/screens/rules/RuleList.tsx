/** All rules: what each does, how it last ended, and what it has moved this month. */
import { Link } from "react-router";
import { api, ask } from "@/api/client";
import { useList } from "@/api/lists";
import { usePerson } from "@/api/session";
import { Card, Empty, Icon, Loaded, More, Page, State, Sums, Table, When } from "@/parts";
import type { Listed } from "./api";

export default function RuleList() {
  const mayWrite = usePerson().role !== "VIEWER";
  const list = useList<Listed>(["rules"], (cursor) =>
    ask(api.GET("/app/rules", { params: { query: cursor ? { cursor } : {} } })),
  );
  return (
    <Page
      title="Rules"
      intro="What moves your money, and when."
      actions={
        mayWrite && (
          <>
            <Link to="/recipes" className="button">
              <Icon name="recipes" />
              Start from a recipe
            </Link>
            <Link to="/rules/new" className="button primary">
              <Icon name="plus" />
              New rule
            </Link>
          </>
        )
      }
    >
      <Loaded query={list}>
        {(rules) => (
          <Card flush>
            {rules.length === 0 ? (
              <Empty icon="rules" title="No rules yet">
                Nothing moves by itself. A new rule is off until you have reviewed it.
              </Empty>
            ) : (
              <Table
                caption="Rules"
                rows={rules}
                rowKey={(rule) => rule.id}
                columns={[
                  {
                    title: "Rule",
                    isName: true,
                    cell: (rule) => (
                      <div className="stack tight">
                        <Link to={`/rules/${rule.id}`}>{rule.name}</Link>
                        <span className="soft small">{rule.sentence}</span>
                      </div>
                    ),
                  },
                  { title: "State", cell: (rule) => <State of={rule.state} /> },
                  {
                    title: "Last run",
                    cell: ({ latestRun }) =>
                      latestRun ? (
                        <div className="stack tight">
                          <Link to={`/runs/${latestRun.id}`}>
                            <State of={latestRun.ending} />
                          </Link>
                          <span className="soft small">
                            <When at={latestRun.at} />
                          </span>
                        </div>
                      ) : (
                        <span className="soft">Never</span>
                      ),
                  },
                  { title: "Moved this month", align: "end", cell: (rule) => <Sums sums={rule.movedThisMonth} /> },
                ]}
              />
            )}
            <More list={list} />
          </Card>
        )}
      </Loaded>
    </Page>
  );
}
