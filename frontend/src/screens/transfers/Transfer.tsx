/** One transfer: where it stands on its way and why, what banks carry for it, what made it and what it set off. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useParams } from "react-router";
import type { components } from "@/api/app";
import { answered, api, ask, at } from "@/api/client";
import { queries, usePerson } from "@/api/session";
import { amounts, Button, Card, Confirm, Facts, Icon, type IconName, LoadedPage, Money, Page, say } from "@/parts";
import { State } from "@/parts/State";
import { Table } from "@/parts/Table";
import { When } from "@/parts/When";
import { AccountName } from "../accounts/AccountName";
import styles from "./transfers.module.css";

type Shown = components["schemas"]["TransferShown"];
const PLACES: Record<Shown["way"][number]["place"], [icon: IconName, word: string]> = {
  done: ["check", "done"],
  here: ["runs", "here now"],
  ahead: ["idle", "still ahead"],
  not_taken: ["idle", "not reached"],
};

export function useTransfer(id: string) {
  return useQuery({
    queryKey: ["transfers", id],
    queryFn: () => answered(api.GET("/app/transfers/{id}", at(id))),
    enabled: id !== "",
  });
}

export default function Transfer() {
  const { id = "" } = useParams();
  return <LoadedPage query={useTransfer(id)}>{(transfer) => <TransferPage transfer={transfer} />}</LoadedPage>;
}

function TransferPage({ transfer }: { transfer: Shown }) {
  const { id, currency } = transfer;
  const mayWrite = usePerson().role !== "VIEWER";
  return (
    <Page title={transfer.title} intro={transfer.said} actions={<Actions transfer={transfer} />}>
      <div className="row">
        <State of={transfer.status}>{transfer.statusWord}</State>
        {transfer.isSimulation && <State of="simulated" />}
      </div>
      <ol className={styles.way} aria-label="Its way">
        {transfer.way.map((state) => (
          <li key={state.status} data-place={state.place} aria-current={state.place === "here" ? "step" : undefined}>
            <Icon name={PLACES[state.place][0]} />
            <span>
              <strong>{state.word}</strong>
              <span className="small">
                {PLACES[state.place][1]}
                {state.at && (
                  <>
                    , <When at={state.at} />
                  </>
                )}
              </span>
            </span>
          </li>
        ))}
      </ol>
      <div className="columns">
        <Card title="Receipt">
          <Facts
            facts={[
              ["Amount", <Money key="amount" cents={transfer.amountInCents} currency={currency} />],
              ["From", <AccountName key="from" account={transfer.source} />],
              ["To", <AccountName key="to" account={transfer.destination} />],
              ["Begun", <When key="begun" at={transfer.createdAt} exact />],
              transfer.completedAt !== null && ["Completed", <When key="done" at={transfer.completedAt} exact />],
              transfer.returnedAt !== null && ["Sent back", <When key="back" at={transfer.returnedAt} exact />],
              transfer.expiresAt !== null && ["Waits until", <When key="until" at={transfer.expiresAt} exact />],
              transfer.description !== null && ["Description", transfer.description],
              ["Reference", <code key="id">{id}</code>],
            ]}
          />
        </Card>
        <Card title="What made it">
          {transfer.madeBy ? (
            <div className="stack tight">
              <p>{transfer.madeBy.words ?? transfer.originWord}</p>
              <p className="row">
                <Link to={`/runs/${transfer.madeBy.runId}`}>See the run and why</Link>
                <Link to={`/rules/${transfer.madeBy.ruleId}`}>See the rule</Link>
              </p>
            </div>
          ) : (
            <div className="stack tight">
              <p>{transfer.originWord}</p>
              {transfer.everyTime && mayWrite && <Link to={`/rules/new?like=${id}`}>Do this every time</Link>}
            </div>
          )}
        </Card>
      </div>
      {transfer.legs.length > 0 && <Legs legs={transfer.legs} currency={currency} />}
      {transfer.looks.length > 0 && <Looks looks={transfer.looks} />}
    </Page>
  );
}

function Legs({ legs, currency }: { legs: Shown["legs"]; currency: string }) {
  return (
    <Card title="What banks carry for it" flush>
      <Table
        caption="Payments that banks carry"
        rows={legs}
        rowKey={(leg) => leg.reference}
        columns={[
          { title: "Payment", isName: true, cell: (leg) => leg.said },
          {
            title: "When",
            cell: (leg) =>
              leg.settledAt || leg.expectedAt ? (
                <div>
                  {!leg.settledAt && "expected "}
                  <When at={leg.settledAt ?? leg.expectedAt} />
                  {leg.moved && <div className="soft small">{leg.moved}</div>}
                </div>
              ) : (
                <span className="soft">{/^(PROCESSING|PENDING)$/.test(leg.status) ? "not yet" : "never"}</span>
              ),
          },
          { title: "Tries", align: "end", cell: (leg) => leg.attempts },
          amounts("Amount", (leg: Shown["legs"][number]) => [leg.amountInCents, currency]),
          { title: "The bank’s reference", cell: (leg) => <code>{leg.reference}</code> },
        ]}
      />
    </Card>
  );
}

/** Why a rule ran, or did not, when this money arrived. */
function Looks({ looks }: { looks: Shown["looks"] }) {
  const ran = looks.filter((look) => look.run).length;
  return (
    <Card title={`${looks.length === 1 ? "1 rule" : `${looks.length} rules`} looked at this; ${ran} ran`} flush>
      <Table
        caption="Rules of the account where it arrives"
        rows={looks}
        rowKey={(look) => `${look.ruleId}/${look.run?.id}`}
        columns={[
          { title: "Rule", isName: true, cell: (look) => <Link to={`/rules/${look.ruleId}`}>{look.ruleName}</Link> },
          {
            title: "It ran",
            cell: (look) => <State tone={look.run ? "good" : "idle"}>{look.run ? "Ran" : "Did not run"}</State>,
          },
          { title: "Why", cell: (look) => look.said },
          { title: "", cell: (look) => look.run && <Link to={`/runs/${look.run.id}`}>See the run</Link> },
        ]}
      />
    </Card>
  );
}

function Actions({ transfer }: { transfer: Shown }) {
  const [isAsking, setAsking] = useState(false);
  const cancel = transfer.can.find((possible) => possible.do === "cancel");
  const canDecide = transfer.can.some((possible) => possible.do === "approve");
  const call = () => ask(api.POST("/app/transfers/{id}/cancel", at(transfer.id)));
  const done = () => {
    setAsking(false);
    say("The transfer has been called back.");
    return queries.invalidateQueries({ queryKey: ["transfers"] });
  };
  return (
    <>
      {canDecide && (
        <Link className="button primary" to="/approvals">
          Approve or refuse
        </Link>
      )}
      {cancel && <Button act="Call it back" onClick={() => setAsking(true)} />}
      <Button act="Print receipt" look="quiet" onClick={() => print()} />
      <Confirm
        title="Call this transfer back"
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        act="Call it back"
        isDanger
        onAct={call}
        onDone={done}
      >
        <p>{cancel?.effect}</p>
      </Confirm>
    </>
  );
}
