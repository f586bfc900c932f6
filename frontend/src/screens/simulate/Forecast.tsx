/** The enabled rules played forward: every account day by day, and the first day that one falls below its floor. */
import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { answered, api } from "@/api/client";
import { amounts, Card, CheckField, Empty, Icon, Loaded, Money, moneyText, SelectField, Table } from "@/parts";
import { TimeChart } from "@/parts/TimeChart";
import { dayOf, useClock } from "@/parts/When";
import { useFilter } from "../runs/choices";
import { Trying } from "./Trying";

type Result = components["schemas"]["ForecastShown"];
type Line = Result["accounts"][number];
const DAYS = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["180", "180 days"],
  ["365", "365 days"],
] as const;

export default function Forecast() {
  const filter = useFilter();
  const days = filter.of("days") || "90";
  const [detects, setDetects] = useState(true);
  const query = useQuery({
    queryKey: ["forecasts", days, detects],
    queryFn: () => answered(api.POST("/app/forecasts", { body: { days: Number(days), detects } })),
    staleTime: 60_000,
  });
  return (
    <Trying title="The days ahead" intro="Every enabled rule, played forward on a copy of today.">
      <div className="fields">
        <SelectField label="The next" value={days} onValue={filter.set("days")} options={DAYS} />
        <CheckField
          label="What came regularly goes on"
          hint="Income and bills that were seen at least three times."
          checked={detects}
          onChecked={setDetects}
        />
      </div>
      <Loaded query={query}>{(result) => <Outcome result={result} />}</Loaded>
    </Trying>
  );
}

function Outcome({ result }: { result: Result }) {
  const below = result.accounts.find((line) => line.belowOn);
  const [chosen, setChosen] = useState("");
  const [first] = result.accounts;
  const line = result.accounts.find((each) => each.account.id === chosen) ?? below ?? first;
  if (!line) return <Empty icon="accounts" title="There is no account yet" />;
  return (
    <section className="stack wide" aria-label="What is to be expected">
      <div className="stack tight">
        <h2>
          <Icon name={below || result.blame ? "warning" : "check"} /> {result.said}
        </h2>
        {result.blame && <p>{result.blame}</p>}
        {result.notes.map((note) => (
          <p key={note} className="soft">
            {note}
          </p>
        ))}
      </div>
      <Card title="Day by day">
        <div className="stack">
          <SelectField
            label="Account"
            value={line.account.id ?? ""}
            onValue={setChosen}
            options={result.accounts.map((each) => [each.account.id ?? "", each.account.name])}
          />
          <Chart line={line} days={result.days} />
        </div>
      </Card>
      <Card title="Accounts" flush>
        <Table
          caption="What becomes of each account"
          rows={result.accounts}
          rowKey={(row) => row.account.id ?? ""}
          columns={[
            {
              title: "Account",
              isName: true,
              cell: (row) => (
                <>
                  <Link to={`/accounts/${row.account.id}`}>{row.account.name}</Link>
                  {row.isDebt && <span className="soft"> owed</span>}
                </>
              ),
            },
            amounts("Today", (row: Line) => [row.todayInCents, row.currency]),
            amounts("Lowest", (row: Line) => [row.lowestInCents, row.currency]),
            amounts("In the end", (row: Line) => [row.endInCents, row.currency]),
            { title: "Below its floor", align: "end", cell: (row) => (row.belowOn ? dayOf(row.belowOn) : "never") },
          ]}
        />
      </Card>
      <div className="columns">
        <Card title="What rules do">
          <ul className="stack tight">
            {result.rules.map((row) => (
              <li key={row.rule.id}>
                <Link to={`/rules/${row.rule.id}`}>{row.rule.name}</Link>
                <span className="soft"> {row.said}</span>
              </li>
            ))}
            {result.rules.length === 0 && <li className="soft">No rule is enabled.</li>}
          </ul>
        </Card>
        <Card title="What is taken to come and go">
          <ul className="stack tight">
            {result.expected.map((row) => (
              <li key={`${row.account.id}/${row.said}/${row.amountInCents}`} className="row spread">
                <span>
                  {row.account.name} <span className="soft small">{row.said}</span>
                </span>
                <Money cents={row.amountInCents} currency={row.currency} signed />
              </li>
            ))}
            {result.expected.length === 0 && <li className="soft">Nothing came or went regularly.</li>}
          </ul>
        </Card>
      </div>
    </section>
  );
}

function Chart({ line, days }: { line: Line; days: readonly string[] }) {
  const { zone } = useClock();
  const said = line.belowOn
    ? `${line.account.name} falls below its floor on ${dayOf(line.belowOn)}.`
    : `${line.account.name} stays above its floor.`;
  const end = line.endInCents === null ? "" : ` In the end it holds ${moneyText(line.endInCents, line.currency)}.`;
  // The picture is drawn anew for new arrays, so they have to stay the same while nothing changes.
  const drawn = useMemo(
    () => ({
      days,
      lines: [
        { label: line.isDebt ? "Owed" : "Available", cents: line.dailyInCents },
        { label: "Floor", cents: line.dailyInCents.map(() => line.floorInCents) },
      ],
    }),
    [line, days],
  );
  return <TimeChart summary={said + end} currency={line.currency} zone={zone} {...drawn} />;
}
