import { useState } from "react";
import { Link } from "react-router";
import { Empty, Loaded } from "@/parts/Loaded";
import { Money } from "@/parts/Money";
import { Card, Page } from "@/parts/Page";
import { type Column, Table } from "@/parts/Table";
import { When } from "@/parts/When";
import { type Account, useAccounts } from "./accounts";
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
const KEPT: readonly Column<Account>[] = [
  NAME,
  { title: "Target", cell: (one) => (one.target ? <Target account={one} says /> : <span className="soft">None</span>) },
  {
    title: "On its way out",
    align: "end",
    cell: (one) => <Money cents={one.heldInCents} currency={one.currency} />,
  },
  { title: "Available", align: "end", cell: (one) => <Money cents={one.availableInCents} currency={one.currency} /> },
  {
    title: "Balance",
    align: "end",
    cell: (one) => <Money className="strong" cents={one.balanceInCents} currency={one.currency} />,
  },
];
const OUTSIDE: readonly Column<Account>[] = [
  NAME,
  { title: "How it is known", cell: (one) => <Known account={one} /> },
  { title: "As of", cell: (one) => <When at={one.freshness.at} /> },
  {
    title: "Available",
    align: "end",
    cell: (one) => <Money cents={one.availableInCents} currency={one.currency} />,
  },
  { title: "Balance", align: "end", cell: (one) => <Money cents={one.balanceInCents} currency={one.currency} /> },
];
const OWED: readonly Column<Account>[] = [
  NAME,
  { title: "How it is known", cell: (one) => <Known account={one} /> },
  { title: "As of", cell: (one) => <When at={one.freshness.at} /> },
  { title: "Owed", align: "end", cell: (one) => <Money cents={one.balanceInCents} currency={one.currency} /> },
];

export default function Accounts() {
  const query = useAccounts();
  const [open, setOpen] = useState<"new" | "move">();
  const can = query.data?.can ?? [];
  return (
    <Page
      title="Accounts"
      actions={
        <>
          {can.includes("MOVE_MONEY") && (
            <button type="button" className="button" onClick={() => setOpen("move")}>
              Move money
            </button>
          )}
          {can.includes("CREATE_ACCOUNT") && (
            <button type="button" className="button primary" onClick={() => setOpen("new")}>
              New account
            </button>
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
              const columns = title === "Debts" ? OWED : title === "At banks" ? OUTSIDE : KEPT;
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
      <NewAccount isOpen={open === "new"} onClose={() => setOpen(undefined)} />
      <MoveMoney isOpen={open === "move"} onClose={() => setOpen(undefined)} />
    </Page>
  );
}
