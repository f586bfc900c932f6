import { useState } from "react";
import { Link } from "react-router";
import { amounts, Button, Card, type Column, Empty, Loaded, Money, Page, Table, useNew, When } from "@/parts";
import { type Account, useAccounts } from "./accounts";
import styles from "./accounts.module.css";
import { MoveMoney } from "./MoveMoney";
import { NewAccount } from "./NewAccount";
import { Known, Target } from "./Target";

const GROUPS = [
  ["Income sources", (one: Account) => one.kind === "INCOME_SOURCE"],
  ["Pods", (one: Account) => one.kind === "POD"],
  ["At banks", (one: Account) => one.kind === "EXTERNAL_ACCOUNT" && one.externalKind !== "LIABILITY"],
  ["Debts", (one: Account) => one.externalKind === "LIABILITY"],
] as const;

const NAME: Column<Account> = {
  title: "Account",
  isName: true,
  cell: (one) => (
    <>
      <Link to={`/accounts/${one.id}`}>{one.name}</Link>
      {one.institutionName && <span className="soft small"> · {one.institutionName}</span>}
    </>
  ),
};
/** The balance of what is kept here can be pressed: to move some of it. */
function kept(onMove: ((id: string) => void) | undefined): readonly Column<Account>[] {
  return [
    NAME,
    {
      title: "Target",
      cell: (one) => (one.target ? <Target account={one} says /> : <span className="soft">None</span>),
    },
    amounts("On its way out", (one) => [one.heldInCents, one.currency]),
    AVAILABLE,
    {
      title: "Balance",
      align: "end",
      cell: (one) =>
        onMove ? (
          <button type="button" className={`bare ${styles.balance}`} onClick={() => onMove(one.id)}>
            <Money cents={one.balanceInCents} currency={one.currency} />
            <span className="hidden">: move money from {one.name}</span>
          </button>
        ) : (
          <Money cents={one.balanceInCents} currency={one.currency} />
        ),
    },
  ];
}
const KNOWN: readonly Column<Account>[] = [
  NAME,
  { title: "How it is known", cell: (one) => <Known account={one} /> },
  { title: "As of", cell: (one) => <When at={one.freshness.at} /> },
];
const AVAILABLE = amounts("Available", (one: Account) => [one.availableInCents, one.currency]);
const balance = (title: string) => amounts(title, (one: Account) => [one.balanceInCents, one.currency]);
const OUTSIDE = [...KNOWN, AVAILABLE, balance("Balance")];
const OWED = [...KNOWN, balance("Owed")];

export default function Accounts() {
  const query = useAccounts();
  const [isNew, setNew] = useNew();
  const [from, setFrom] = useState<string>();
  const can = query.data?.can ?? [];
  const canMove = can.includes("MOVE_MONEY");
  return (
    <Page
      title="Accounts"
      actions={
        <>
          {canMove && <Button act="Move money" onClick={() => setFrom("")} />}
          {can.includes("CREATE_ACCOUNT") && (
            <Button act="New account" look="primary" aria-keyshortcuts="n" onClick={() => setNew(true)} />
          )}
        </>
      }
    >
      <Loaded query={query}>
        {({ accounts }) =>
          accounts.length === 0 ? (
            <Card>
              <Empty icon="accounts" title="No accounts yet">
                Make an income source, where money comes in, and a pod to keep some of it in.
              </Empty>
            </Card>
          ) : (
            GROUPS.map(([title, belongs]) => {
              const rows = accounts.filter(belongs);
              const columns =
                title === "Debts" ? OWED : title === "At banks" ? OUTSIDE : kept(canMove ? setFrom : undefined);
              return (
                rows.length > 0 && (
                  <Card key={title} title={title} flush>
                    <Table caption={title} columns={columns} rows={rows} rowKey={(one) => one.id} />
                  </Card>
                )
              );
            })
          )
        }
      </Loaded>
      <NewAccount isOpen={isNew && can.includes("CREATE_ACCOUNT")} onClose={() => setNew(false)} />
      <MoveMoney isOpen={from !== undefined} onClose={() => setFrom(undefined)} from={from ?? ""} />
    </Page>
  );
}
