/** What a person reads before a rule may move money. Enabling signs exactly what this page has shown. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "react-router";
import { answered, api, ask, at, type Refused } from "@/api/client";
import { queries } from "@/api/session";
import { Button, Card, ErrorSummary, Facts, Loaded, Money, Page, State, say } from "@/parts";
import { Notice } from "@/parts/Notice";
import { useRuleId } from "./api";
import styles from "./rules.module.css";
import { Changes, Oddities, Outline, Rehearsal, Tests } from "./Told";

/** Read once and left alone: what is signed must be what was read, so no live update may change this page. */
function useReview(id: string) {
  return useQuery({
    queryKey: ["review", id],
    queryFn: () => answered(api.GET("/app/rules/{id}/review", at(id))),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
  });
}

type Review = NonNullable<ReturnType<typeof useReview>["data"]>;

export default function RuleReview() {
  const review = useReview(useRuleId());
  return <Loaded query={review}>{(data) => <Shown review={data} onAgain={() => void review.refetch()} />}</Loaded>;
}

const USES: Record<string, string> = { takes: "Takes from", gives: "Sends to", looks: "Looks at" };

function Shown({ review, onAgain }: { review: Review; onAgain: () => void }) {
  const { rule, changes, tried } = review;
  const navigate = useNavigate();
  const enable = useMutation<unknown, Refused>({
    mutationFn: () =>
      ask(api.POST("/app/rules/{id}/enable", { ...at(rule.id), body: { fingerprint: rule.fingerprint } })),
    onSuccess: async () => {
      say("Enabled. It runs from now on.");
      await queries.invalidateQueries({ queryKey: ["rules"] });
      await navigate(`/rules/${rule.id}`);
    },
  });
  const isChanged = enable.error?.code === "RULE_CHANGED";
  return (
    <Page title={`Review “${rule.name}”`} intro={rule.description ?? undefined}>
      <Oddities oddities={rule.oddities} />
      <Card>
        <div className="stack">
          <State of={rule.state} />
          <p className={styles.sentence}>{rule.sentence}</p>
        </div>
      </Card>
      {rule.findings.length > 0 && (
        <Notice
          tone={rule.findings.some((finding) => finding.severity === "error") ? "bad" : "warn"}
          title="Before you enable it"
        >
          <ul>
            {rule.findings.map((finding) => (
              <li key={finding.path + finding.code}>{finding.message}</li>
            ))}
          </ul>
        </Notice>
      )}
      <Card title="The whole rule, line by line">
        <Outline lines={rule.lines} findings={rule.findings} />
      </Card>
      <Card title={review.enabledBefore === null ? "What is new" : "What has changed since it was last enabled"}>
        {review.enabledBefore === null ? (
          <p>All of it: no version of this rule has been enabled before.</p>
        ) : changes.length ? (
          <Changes changes={changes} />
        ) : (
          <p>Nothing: this very version was enabled before.</p>
        )}
      </Card>
      <Card title="What it would do now">
        {tried ? (
          <div className="stack">
            {tried.amountInCents !== null && (
              <p className="soft">
                Tried on the latest that really arrived, <Money cents={tried.amountInCents} currency={tried.currency} />
                , as if it arrived again now. Nothing was moved.
              </p>
            )}
            <Rehearsal tried={tried} />
          </div>
        ) : (
          <p>This cannot be told: no money has arrived there yet, or something is wrong with the rule.</p>
        )}
      </Card>
      <Tests title="Its tests" tests={review.tests} />
      <Card title="What it can touch">
        <div className="stack">
          <Facts
            facts={Object.entries(USES).map(([use, word]) => {
              const names = review.touches.filter((each) => each.uses.includes(use)).map((each) => each.name);
              return names.length > 0 && ([word, names.join(", ")] as const);
            })}
          />
          {review.ceilings.map((ceiling) => (
            <p key={ceiling}>{ceiling}</p>
          ))}
        </div>
      </Card>
      <Card title="Enable it">
        <div className="stack">
          <ErrorSummary error={enable.error} />
          <p>
            It may then move money as it says above, until somebody turns it off. Any edit turns it off, and it has to
            be reviewed again.
          </p>
          <p className="soft small">
            Version {rule.revision}, fingerprint <code>{rule.fingerprint}</code>
          </p>
          <div className="row">
            {rule.can.includes("enable") ? (
              <Button
                act="Enable this rule"
                look="primary"
                disabled={enable.isPending}
                onClick={() => enable.mutate()}
              />
            ) : (
              <p>
                <strong>
                  {rule.state === "enabled" ? "It is enabled." : "Only an admin can enable a rule that is fit to run."}
                </strong>
              </p>
            )}
            {isChanged && (
              <Button
                act="Look at it again"
                onClick={() => {
                  enable.reset();
                  onAgain();
                }}
              />
            )}
            {rule.can.includes("edit") && (
              <Link to={`/rules/${rule.id}/edit`} className="button">
                Edit
              </Link>
            )}
          </div>
        </div>
      </Card>
    </Page>
  );
}
