import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { answered, api } from "@/api/client";
import { useOrganization } from "@/api/session";
import { Button, Card, Icon, type IconName, Loaded, Money, Page, State, useClock, When, weekdayOf } from "@/parts";
import { MoveMoney } from "@/screens/accounts/MoveMoney";
import { type Kind, NewAccount } from "@/screens/accounts/NewAccount";
import styles from "./overview.module.css";

type Shapes = components["schemas"];
type Seen = Shapes["OverviewShown"];
type Need = Shapes["NeedShown"];
type Coming = Shapes["ComingShown"];

export default function Overview() {
  const query = useQuery({ queryKey: ["overview"], queryFn: () => answered(api.GET("/app/overview")) });
  return (
    <Page title="Overview">
      <Loaded query={query}>
        {(seen) => (
          <>
            <Start seen={seen} />
            <div className={styles.grid}>
              <Unassigned seen={seen} />
              <Needs needs={seen.needs} />
              <Next coming={seen.coming} isPaused={seen.isPaused} />
              <Runs runs={seen.runs} />
            </div>
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** What a beginner does first; it goes once the third is done. */
function Start({ seen: { counts, can } }: { seen: Seen }) {
  const { isSandbox } = useOrganization();
  const [open, setOpen] = useState<Kind>();
  const [kept, setKept] = useState<Kind>("POD");
  if (counts.enabledRules > 0) return null;
  const make = (kind: Kind, word: string) =>
    can.includes("CREATE_ACCOUNT") && (
      <Button
        act={word}
        look="primary"
        onClick={() => {
          setKept(kind);
          setOpen(kind);
        }}
      />
    );
  const steps: readonly (readonly [string, boolean, string, ReactNode])[] = [
    [
      "Say where money comes in",
      counts.incomeSources > 0,
      "An income source is where pay or clients' payments arrive.",
      make("INCOME_SOURCE", "Make an income source"),
    ],
    [
      "Say where it should go",
      counts.accounts > counts.incomeSources,
      "A pod keeps money for something: rent, tax, a holiday.",
      make("POD", "Make a pod"),
    ],
    [
      "Let a rule move it",
      false,
      counts.rules > 0
        ? "Your rule is drawn up. It moves nothing until you have reviewed and enabled it."
        : "Start from a recipe, such as saving a part of every deposit. You review it before it moves anything.",
      <Link key="rule" className="button primary" to={counts.rules > 0 ? "/rules" : "/recipes"}>
        {counts.rules > 0 ? "Review your rules" : "Choose a recipe"}
      </Link>,
    ],
  ];
  const next = steps.findIndex(([, isDone]) => !isDone);
  return (
    <Card title="Three steps to begin">
      <ol className={styles.steps}>
        {steps.map(([title, isDone, why, act], index) => (
          <li key={title} data-next={index === next || undefined}>
            {isDone ? (
              <State tone="good">Done</State>
            ) : (
              <span className={index === next ? "" : "soft"}>Step {index + 1}</span>
            )}
            <div className="stack tight">
              <h3>{title}</h3>
              <p className="soft">{why}</p>
            </div>
            {index === next && act}
          </li>
        ))}
      </ol>
      {isSandbox && counts.incomeSources > 0 && (
        <p className={`soft ${styles.after}`}>
          This is a sandbox: <Link to="/sandbox">let play money arrive</Link> to see what happens.
        </p>
      )}
      <NewAccount isOpen={open !== undefined} onClose={() => setOpen(undefined)} kind={kept} stays />
    </Card>
  );
}

function Unassigned({ seen: { totals, unassigned, can, counts } }: { seen: Seen }) {
  const [from, setFrom] = useState<string>();
  const holding = unassigned.filter((source) => source.amountInCents > 0);
  return (
    <Card title="Unassigned money">
      <div className="stack">
        <div className="row">
          {(totals.length > 0 ? totals : [{ currency: "USD", amountInCents: 0 }]).map((total) => (
            <Money key={total.currency} className="big" cents={total.amountInCents} currency={total.currency} />
          ))}
        </div>
        <p className="soft">
          {counts.incomeSources === 0
            ? "There is no income source yet. Money that arrives there and that no rule has sent on is shown here."
            : holding.length === 0
              ? "Nothing waits here to be sent on."
              : "It has come in, and nothing has sent it on."}
        </p>
        {holding.map((source) => (
          <section key={source.accountId} className="stack tight">
            <div className="row spread">
              <h3>
                <Link to={`/accounts/${source.accountId}`}>{source.accountName}</Link>
              </h3>
              <span className="row">
                <Money cents={source.amountInCents} currency={source.currency} />
                {can.includes("MOVE_MONEY") && (
                  <Button onClick={() => setFrom(source.accountId)}>
                    Route it<span className="hidden"> from {source.accountName}</span>
                  </Button>
                )}
              </span>
            </div>
            <details>
              <summary className="soft small">What it is left of</summary>
              <ul className={styles.lines}>
                {source.parts.map((part) => (
                  <li key={part.transferId}>
                    <Link to={`/transfers/${part.transferId}`}>{part.description ?? "Arrived"}</Link>
                    <span className="soft small">
                      <When at={part.at} />, <Money cents={part.amountInCents} currency={source.currency} /> came
                    </span>
                    <Money cents={part.leftInCents} currency={source.currency} />
                  </li>
                ))}
                {source.olderInCents > 0 && (
                  <li>
                    <span>Earlier arrivals</span>
                    <span />
                    <Money cents={source.olderInCents} currency={source.currency} />
                  </li>
                )}
              </ul>
            </details>
          </section>
        ))}
      </div>
      <MoveMoney isOpen={from !== undefined} onClose={() => setFrom(undefined)} {...(from ? { from } : {})} />
    </Card>
  );
}

const NEEDS: Record<Need["kind"], readonly [IconName, string, (id: string) => string, string]> = {
  PAUSED: ["pause", "bad", () => "/settings", "/settings"],
  APPROVALS: ["approvals", "warn", () => "/approvals", "/approvals"],
  FAILED_RUN: ["cross", "bad", (id) => `/runs/${id}`, "/runs"],
  FEED: ["warning", "warn", (id) => `/accounts/${id}`, "/accounts"],
  DRAFT: ["rules", "note", (id) => `/rules/${id}/review`, "/rules"],
  WEBHOOK: ["developers", "warn", () => "/developers/webhooks", "/developers/webhooks"],
};

function Needs({ needs }: { needs: readonly Need[] }) {
  return (
    <Card title="Needs you">
      {needs.length === 0 ? (
        <p className="soft">
          <State tone="good">Nothing needs you.</State>
        </p>
      ) : (
        <ul className={styles.needs}>
          {needs.map((need) => {
            const [icon, tone, one, all] = NEEDS[need.kind];
            return (
              <li key={`${need.kind} ${need.subjectId ?? need.title}`} data-tone={tone}>
                <Icon name={icon} />
                <div className="stack tight">
                  <strong>{need.title}</strong>
                  <span className="soft small">
                    {need.detail} {need.at && <When at={need.at} />}
                  </span>
                </div>
                <Link className="button" to={need.subjectId ? one(need.subjectId) : all}>
                  {need.action}
                  <span className="hidden">: {need.title}</span>
                </Link>
              </li>
            );
          })}
        </ul>
      )}
    </Card>
  );
}

function pathOf(coming: Coming): string {
  if (coming.ruleId) return `/rules/${coming.ruleId}`;
  return coming.transferId ? `/transfers/${coming.transferId}` : `/accounts/${coming.accountId}`;
}

function Next({ coming, isPaused }: { coming: readonly Coming[]; isPaused: boolean }) {
  const { time, zone } = useClock();
  const days = [...new Set(coming.map((each) => each.on))];
  return (
    <Card title="The next 7 days" actions={<span className="soft small">{zone}</span>}>
      {coming.length === 0 && !isPaused ? (
        <p className="soft">Nothing is expected: no schedule fires and no payment is on its way.</p>
      ) : (
        <div className="stack">
          {isPaused && <p className="soft">Rules are paused, so none of them is listed.</p>}
          {days.map((on) => (
            <section key={on} className="stack tight">
              <h3 className="soft small">{weekdayOf(on)}</h3>
              <ul className={styles.lines}>
                {coming
                  .filter((each) => each.on === on)
                  .map((each) => (
                    <li key={`${each.at} ${each.said}`}>
                      <div>
                        <Link to={pathOf(each)}>{each.said}</Link>
                        {each.moved && <div className="soft small">{each.moved}</div>}
                      </div>
                      <span className="soft small">{each.at && time(each.at)}</span>
                      {each.currency && <Money cents={each.amountInCents} currency={each.currency} />}
                    </li>
                  ))}
              </ul>
            </section>
          ))}
        </div>
      )}
    </Card>
  );
}

function Runs({ runs }: { runs: Seen["runs"] }) {
  return (
    <Card title="Last runs" actions={runs.length > 0 && <Link to="/runs">All runs</Link>}>
      {runs.length === 0 ? (
        <p className="soft">No rule has run yet. When one does, this says what it did and why.</p>
      ) : (
        <ul className={styles.runs}>
          {runs.map((run) => (
            <li key={run.id}>
              <span className="row spread">
                <Link to={`/runs/${run.id}`}>{run.title}</Link>
                <State of={run.ending} />
              </span>
              <span className="soft small">
                {run.said} <When at={run.at} />
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}
