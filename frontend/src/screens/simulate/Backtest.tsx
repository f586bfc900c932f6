/** A rule on what really happened: what it would have done, beside what was done. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { components } from "@/api/app";
import { answered, api } from "@/api/client";
import { amounts, Card, Form, SelectField, State, Sums, Table, When } from "@/parts";
import { Simulated } from "../runs/Run";
import { Trying, useTried } from "./Trying";

type Result = components["schemas"]["BacktestShown"];
const DAYS = [
  ["7", "7 days"],
  ["31", "31 days"],
  ["92", "92 days"],
  ["365", "365 days"],
] as const;

export default function Backtest() {
  const tried = useTried();
  const [days, setDays] = useState("31");
  const backtest = useMutation({
    mutationFn: () => answered(api.POST("/app/backtests", { body: { ...tried.body, days: Number(days) } })),
  });
  return (
    <Trying title="The days behind" intro="What would a rule have done with what really happened?">
      <Card>
        <Form
          error={backtest.error}
          act="Try it on those days"
          isBusy={backtest.isPending || !tried.isReady}
          onSend={() => backtest.mutate()}
        >
          <div className="fields">
            {tried.field}
            <SelectField label="The last" value={days} onValue={setDays} options={DAYS} />
          </div>
        </Form>
      </Card>
      {backtest.data && <Outcome result={backtest.data} />}
    </Trying>
  );
}

function Outcome({ result }: { result: Result }) {
  return (
    <section className="stack wide" aria-label="What would have been">
      <Simulated />
      <div role="status" className="stack tight">
        <h2>{result.said}</h2>
        {result.notes.map((note) => (
          <p key={note} className="soft">
            {note}
          </p>
        ))}
      </div>
      {result.compared.length > 0 && (
        <Card title="Where the money would have gone" flush>
          <Table
            caption="What would have come to each account, beside what really did"
            rows={result.compared}
            rowKey={(row) => row.account.id ?? ""}
            columns={[
              { title: "Account", isName: true, cell: (row) => row.account.name },
              amounts("Would have come", (row: Result["compared"][number]) => [row.wouldInCents, row.currency]),
              amounts("Really came by this rule", (row: Result["compared"][number]) => [row.didInCents, row.currency]),
            ]}
          />
        </Card>
      )}
      {result.runs.length > 0 && (
        <Card title={result.runCount > result.runs.length ? `The latest of ${result.runCount} runs` : "Each run"} flush>
          <Table
            caption="The runs that would have been, newest first"
            rows={result.runs}
            rowKey={(run) => run.at}
            columns={[
              { title: "When", isName: true, cell: (run) => <When at={run.at} /> },
              {
                title: "Ending",
                cell: (run) => (
                  <State of={run.failed ? "failed" : run.isMatched ? "simulated" : "conditions_not_met"} />
                ),
              },
              { title: "Would have moved", align: "end", cell: (run) => <Sums sums={run.moved} /> },
            ]}
          />
        </Card>
      )}
    </section>
  );
}
