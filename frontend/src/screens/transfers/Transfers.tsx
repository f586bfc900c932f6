/** Transfers: found by account, state, direction and time, a page at a time. */
import { Link } from "react-router";
import type { components } from "@/api/app";
import { api, ask } from "@/api/client";
import { amounts, Button, Card, Empty, Loaded, Page, SelectField, State, Table, When } from "@/parts";
import { useAccounts, useFilter, usePage } from "../runs/choices";
import { Pager } from "../runs/Pager";
import styles from "../runs/runs.module.css";

type Transfer = components["schemas"]["TransferListed"];
const STATES = [
  ["", "Any state"],
  ["PENDING_APPROVAL", "Waits for approval"],
  ["PROCESSING", "To be handed over"],
  ["PENDING", "At the bank"],
  ["COMPLETE", "Complete"],
  ["INCOMPLETE", "Not enough money"],
  ["ERROR", "Failed"],
  ["CANCELLED", "Cancelled"],
] as const;
const DIRECTIONS = [
  ["", "Any direction"],
  ["MONEY_IN", "Money in"],
  ["MONEY_OUT", "Money out"],
  ["INTERNAL", "Between your accounts"],
] as const;

export default function Transfers() {
  const filter = useFilter();
  const accounts = useAccounts();
  const query = {
    ...(filter.of("account") && { accountId: filter.of("account") }),
    ...(filter.of("status") && { status: filter.of("status") as Transfer["status"] }),
    ...(filter.of("direction") && { direction: filter.of("direction") as Transfer["direction"] }),
    limit: 50,
  };
  const transfers = usePage(["transfers", query], (cursor) =>
    ask(api.GET("/app/transfers", { params: { query: { ...query, ...(cursor && { cursor }) } } })),
  );
  return (
    <Page title="Transfers" intro="Every movement of money, newest first.">
      <div className={styles.filters}>
        <SelectField
          label="Account"
          value={filter.of("account")}
          onValue={filter.set("account")}
          options={accounts.options}
        />
        <SelectField label="State" value={filter.of("status")} onValue={filter.set("status")} options={STATES} />
        <SelectField
          label="Direction"
          value={filter.of("direction")}
          onValue={filter.set("direction")}
          options={DIRECTIONS}
        />
      </div>
      <Loaded query={transfers}>
        {({ data: found, nextCursor }) =>
          found.length === 0 && !nextCursor && !filter.of("cursor") ? (
            <Empty icon="transfers" title={filter.isEmpty ? "No money has moved yet" : "No transfer is like this"}>
              {!filter.isEmpty && <Button act="Show all transfers" onClick={filter.clear} />}
            </Empty>
          ) : (
            <Card flush>
              {found.length > 0 && <TransferTable transfers={found} />}
              {found.length === 0 && <p className="soft">None among those looked through. There may be older ones.</p>}
              <Pager next={nextCursor} />
            </Card>
          )
        }
      </Loaded>
    </Page>
  );
}

function TransferTable({ transfers }: { transfers: readonly Transfer[] }) {
  return (
    <Table
      caption="Transfers, newest first"
      rows={transfers}
      rowKey={(transfer) => transfer.id}
      columns={[
        {
          title: "From and to",
          isName: true,
          cell: (transfer) => (
            <Link to={`/transfers/${transfer.id}`}>
              {transfer.source.name} → {transfer.destination.name}
            </Link>
          ),
        },
        {
          title: "When",
          cell: (transfer) => <When at={transfer.createdAt} />,
        },
        {
          title: "State",
          cell: (transfer) => (
            <div>
              <State of={transfer.status}>{transfer.statusWord}</State>
              {transfer.why && <div className="soft small">{transfer.why}</div>}
            </div>
          ),
        },
        {
          title: "Because of",
          cell: (transfer) =>
            transfer.runId ? <Link to={`/runs/${transfer.runId}`}>{transfer.originWord}</Link> : transfer.originWord,
        },
        amounts("Amount", (transfer: Transfer) => [transfer.amountInCents, transfer.currency]),
      ]}
    />
  );
}
