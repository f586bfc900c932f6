/** Transfers that wait for a person. What is approved is exactly what is shown, by its digest. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { answered, api, ask, at } from "@/api/client";
import { queries } from "@/api/session";
import { Button, Card, Empty, ErrorSummary, Facts, Loaded, Money, Page, say, When } from "@/parts";
import { AccountName } from "../accounts/AccountName";
import styles from "./approvals.module.css";

type Approval = components["schemas"]["ApprovalShown"];
type Decision = "approve" | "refuse";
const WORDS: Record<Decision, [ask: string, act: string, done: string]> = {
  approve: ["Approve …", "Approve now", "Approved."],
  refuse: ["Refuse …", "Refuse now", "Refused."],
};

export default function Approvals() {
  const query = useQuery({ queryKey: ["approvals"], queryFn: () => answered(api.GET("/app/approvals")) });
  return (
    <Page title="Approvals" intro="Transfers that wait until a person approves or refuses them." narrow>
      <Loaded query={query}>
        {(waiting) =>
          waiting.length === 0 ? (
            <Card>
              <Empty icon="approvals" title="Nothing waits for you">
                What a rule moves above its bound, and what writers ask for, appears here.
              </Empty>
            </Card>
          ) : (
            <ul className="stack wide">
              {waiting.map((approval) => (
                <li key={approval.id} className="card">
                  <Waiting approval={approval} />
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Page>
  );
}

/** Two taps: choose, read what it will do, and do it. */
function Waiting({ approval }: { approval: Approval }) {
  const { id, digest } = approval;
  const [decision, setDecision] = useState<Decision>();
  const decide = useMutation({
    mutationFn: (chosen: Decision) => {
      return chosen === "approve"
        ? ask(api.POST("/app/approvals/{id}/approve", { ...at(id), body: { digest } }))
        : ask(api.POST("/app/approvals/{id}/refuse", at(id)));
    },
    onSuccess: (_, chosen) => {
      say(`${WORDS[chosen][2]} ${approval.title}.`);
      return Promise.all(["approvals", "transfers"].map((key) => queries.invalidateQueries({ queryKey: [key] })));
    },
  });
  const chosen = decision && WORDS[decision];
  return (
    <article className="stack" aria-label={approval.title}>
      <h2 className="row spread">
        <Money className="big" cents={approval.amountInCents} currency={approval.currency} />
      </h2>
      <Facts
        facts={[
          ["From", <AccountName key="from" account={approval.source} />],
          ["To", <AccountName key="to" account={approval.destination} />],
          [
            "Because of",
            approval.run ? (
              <Link key="run" to={`/runs/${approval.run.id}`}>
                {approval.run.rule.name}
              </Link>
            ) : (
              "Somebody asked for it"
            ),
          ],
          ["Asked", <When key="asked" at={approval.createdAt} exact />],
          ["Waits until", <When key="until" at={approval.expiresAt} exact />],
          [
            "Transfer",
            <Link key="transfer" to={`/transfers/${id}`}>
              See everything about it
            </Link>,
          ],
        ]}
      />
      {chosen ? (
        <div className={styles.decide} role="group" aria-label={chosen[1]}>
          <p>{decision === "approve" ? approval.approveEffect : approval.refuseEffect}</p>
          <div className="row">
            <Button
              act={chosen[1]}
              look={decision === "approve" ? "primary" : "danger"}
              disabled={decide.isPending}
              onClick={() => decide.mutate(decision as Decision)}
            />
            <Button act="Not now" disabled={decide.isPending} onClick={() => setDecision(undefined)} />
          </div>
        </div>
      ) : (
        <div className="row">
          {(["approve", "refuse"] as const)
            .filter((each) => approval.can.includes(each))
            .map((each) => (
              <Button
                key={each}
                act={WORDS[each][0]}
                look={each === "approve" ? "primary" : undefined}
                onClick={() => setDecision(each)}
              />
            ))}
          {!approval.can.includes("approve") && <p className="soft">An admin has to approve or refuse this.</p>}
        </div>
      )}
      <ErrorSummary error={decide.error} />
    </article>
  );
}
