/** How much may go to and come from other banks. */
import { useState } from "react";
import { api, ask } from "@/api/client";
import { AmountField, Button, Card, type Column, Dialog, Form, Money, Table, TextField } from "@/parts";
import { type Settings, useChange } from "./Organization";

type Limit = Settings["limits"][number];

export function Limits({ settings }: { settings: Settings }) {
  const [edited, setEdited] = useState<Limit | null>(null);
  const { currency } = settings;
  const columns: Column<Limit>[] = [
    { title: "Limit", isName: true, cell: (limit) => limit.label },
    {
      title: "At most",
      align: "end",
      cell: (limit) =>
        limit.amountInCents === null ? (
          <span className="soft">no limit</span>
        ) : (
          <Money cents={limit.amountInCents} currency={currency} />
        ),
    },
    { title: "Used", align: "end", cell: (limit) => <Money cents={limit.usedAmountInCents} currency={currency} /> },
    {
      title: "Transfers",
      align: "end",
      cell: ({ usedTransfers, transfers }) => (transfers === null ? usedTransfers : `${usedTransfers} of ${transfers}`),
    },
  ];
  const change: Column<Limit> = {
    title: "",
    align: "end",
    cell: (limit) => (
      <Button act="Change" look="quiet" aria-label={`Change: ${limit.label}`} onClick={() => setEdited(limit)} />
    ),
  };
  return (
    <Card title="Limits with other banks" flush>
      <Table
        caption="Limits with other banks"
        rows={settings.limits}
        rowKey={(limit) => `${limit.side}/${limit.period}`}
        columns={settings.can.includes("setLimits") ? [...columns, change] : columns}
      />
      {edited && <LimitDialog limit={edited} currency={currency} onClose={() => setEdited(null)} />}
    </Card>
  );
}

function LimitDialog({ limit, currency, onClose }: { limit: Limit; currency: string; onClose: () => void }) {
  const [cents, setCents] = useState(limit.amountInCents);
  const [transfers, setTransfers] = useState(limit.transfers === null ? "" : String(limit.transfers));
  const change = useChange("Saved", onClose);
  const { side, period } = limit;
  const body = { side, period, amountInCents: cents, transfers: transfers === "" ? null : Number(transfers) };
  return (
    <Dialog title={limit.label} isOpen onClose={onClose}>
      <Form
        error={change.error}
        act="Save"
        isBusy={change.isPending}
        onSend={() => change.mutate(() => ask(api.PUT("/app/settings/limits", { body })))}
      >
        <AmountField
          label="Amount"
          hint="Nothing here: no limit"
          cents={cents}
          currency={currency}
          onCents={setCents}
          error={change.error?.of("amountInCents")}
        />
        <TextField
          label="Transfers"
          hint="Nothing here: no limit"
          type="number"
          min={0}
          value={transfers}
          onValue={setTransfers}
        />
      </Form>
    </Dialog>
  );
}
