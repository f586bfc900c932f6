import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { answered, api, ask, at, of } from "@/api/client";
import { useList } from "@/api/lists";
import { queries } from "@/api/session";
import { Button, Card, Empty, Facts, Loaded, LoadedPage, Money, More, Page, SelectField, State, Table } from "@/parts";
import { Delete } from "@/parts/Delete";
import { TimeChart } from "@/parts/TimeChart";
import { dayOf, When } from "@/parts/When";
import { type Account, type AccountPage, type Movement, type RuleAround, useAccount } from "./accounts";
import { MoveMoney } from "./MoveMoney";
import { SetTarget } from "./SetTarget";
import { Known, Target } from "./Target";

export default function AccountScreen() {
  const { id = "" } = useParams();
  return <LoadedPage query={useAccount(id)}>{(page) => <Shown page={page} key={id} />}</LoadedPage>;
}

function Shown({ page }: { page: AccountPage }) {
  const { account, can, statement } = page;
  const [open, setOpen] = useState<"move" | "target">();
  const close = () => setOpen(undefined);
  const money = (cents: number | null) => <Money cents={cents} currency={account.currency} />;
  const isDebt = account.externalKind === "LIABILITY";
  return (
    <Page
      title={account.name}
      intro={[account.kindWord, account.institutionName, page.description].filter(Boolean).join(" · ")}
      actions={
        <>
          {can.includes("DELETE") && <DeleteAccount account={account} />}
          {can.includes("SET_TARGET") && (
            <Button act={account.target ? "Change the target" : "Set a target"} onClick={() => setOpen("target")} />
          )}
          {can.includes("MOVE_MONEY") && <Button act="Move money" look="primary" onClick={() => setOpen("move")} />}
        </>
      }
    >
      <div className="columns">
        <Card>
          <div className="stack">
            <div className="stack tight">
              <span className="soft">{isDebt ? "Owed" : "Balance"}</span>
              <Money className="big" cents={account.balanceInCents} currency={account.currency} />
              {page.isDeleted && <State tone="idle">Deleted</State>}
            </div>
            <Target account={account} says />
          </div>
        </Card>
        <Card>
          <Facts
            facts={[
              ["Known", <Known key="known" account={account} />],
              account.freshness.at !== null && ["As of", <When key="at" at={account.freshness.at} exact />],
              !isDebt && ["Available", money(account.availableInCents)],
              account.heldInCents > 0 && ["On its way out", money(account.heldInCents)],
              account.expectedInCents > 0 && ["On its way in", money(account.expectedInCents)],
              account.overdrawnInCents > 0 && ["Below its floor by", money(account.overdrawnInCents)],
              page.floorInCents !== 0 && ["Floor", money(page.floorInCents)],
              statement && ["Last statement", money(statement.balanceInCents)],
              statement && ["Minimum payment", money(statement.minimumInCents)],
              statement?.dueOn != null && ["Due", dayOf(statement.dueOn)],
              page.holdsFor && [
                "Holds payments for",
                <Link key="for" to={`/accounts/${page.holdsFor.id}`}>
                  {page.holdsFor.name}
                </Link>,
              ],
              [
                "On the map",
                <Link key="map" to={`/map?node=${account.id}`}>
                  See it there
                </Link>,
              ],
            ]}
          />
        </Card>
      </div>
      <History account={account} />
      <Movements account={account} />
      <Rules rules={page.rules} />
      <MoveMoney
        isOpen={open === "move"}
        onClose={close}
        {...(account.canSend && !isDebt ? { from: account.id } : { to: account.id })}
      />
      <SetTarget account={account} isOpen={open === "target"} onClose={close} />
    </Page>
  );
}

const SPANS = [
  ["30", "30 days"],
  ["90", "90 days"],
  ["365", "A year"],
] as const;

function History({ account }: { account: Account }) {
  const [days, setDays] = useState<string>("90");
  const query = useQuery({
    queryKey: ["accounts", account.id, "days", days],
    queryFn: () => answered(api.GET("/app/accounts/{id}/days", of(account.id, { days: days as "30" | "90" | "365" }))),
    placeholderData: (before) => before,
  });
  const drawn = useMemo(
    () =>
      query.data && {
        days: query.data.days.map((day) => day.on),
        lines: [{ label: "Balance", cents: query.data.days.map((day) => day.balanceInCents) }],
      },
    [query.data],
  );
  return (
    <Card
      title="At the end of each day"
      actions={
        <SelectField label={<span className="hidden">How long</span>} value={days} onValue={setDays} options={SPANS} />
      }
    >
      <Loaded query={query}>
        {({ said, currency, days: each }) =>
          each.filter((day) => day.balanceInCents !== null).length < 2 ? (
            <p className="soft">This shows how the balance goes, from its second day on.</p>
          ) : (
            drawn && <TimeChart summary={said} currency={currency} zone="UTC" {...drawn} />
          )
        }
      </Loaded>
    </Card>
  );
}

function Movements({ account }: { account: Account }) {
  const list = useList(["accounts", account.id, "movements"], (cursor) =>
    ask(api.GET("/app/accounts/{id}/movements", of(account.id, cursor ? { cursor } : {}))),
  );
  return (
    <Card title="Movements" flush>
      <Loaded query={list}>
        {(rows) =>
          rows.length === 0 ? (
            <Empty title="Nothing has moved yet" />
          ) : (
            <Table caption={`Movements of ${account.name}`} rows={rows} rowKey={(row) => row.id} columns={MOVEMENTS} />
          )
        }
      </Loaded>
      <More list={list} />
    </Card>
  );
}

const MOVEMENTS = [
  {
    title: "What",
    isName: true,
    cell: (row: Movement) =>
      row.kind === "CARD" ? (
        row.description
      ) : (
        <Link to={`/transfers/${row.id}`}>{row.otherName ?? row.description ?? "From outside"}</Link>
      ),
  },
  { title: "When", cell: (row: Movement) => <When at={row.at} /> },
  {
    title: "Made by",
    cell: (row: Movement) =>
      row.ruleId ? (
        <span>
          <Link to={`/rules/${row.ruleId}`}>{row.ruleTitle}</Link>
          {row.runId && (
            <>
              {" · "}
              <Link to={`/runs/${row.runId}`}>
                why<span className="hidden"> {row.ruleTitle} did this</span>
              </Link>
            </>
          )}
        </span>
      ) : (
        row.madeBy
      ),
  },
  { title: "State", cell: (row: Movement) => <State of={row.status}>{row.statusWord}</State> },
  {
    title: "Amount",
    align: "end" as const,
    cell: (row: Movement) => <Money cents={row.amountInCents} currency={row.currency} signed />,
  },
];

function Rules({ rules }: { rules: readonly RuleAround[] }) {
  return (
    <Card title="Rules around it" flush>
      {rules.length === 0 ? (
        <Empty title="No rule has to do with this account" />
      ) : (
        <Table
          caption="Rules that read this account, take from it or pay into it"
          rows={rules}
          rowKey={(rule) => rule.id}
          columns={[
            {
              title: "Rule",
              isName: true,
              cell: (rule) => (
                <div className="stack tight">
                  <Link to={`/rules/${rule.id}`}>{rule.title}</Link>
                  <span className="soft small">{rule.sentence}</span>
                </div>
              ),
            },
            {
              title: "What it does here",
              cell: (rule) => (
                <ul className="stack tight">
                  {rule.takes.map((label) => (
                    <li key={`takes ${label}`}>Takes {label}</li>
                  ))}
                  {rule.pays.map((label) => (
                    <li key={`pays ${label}`}>Pays in {label}</li>
                  ))}
                  {rule.takes.length + rule.pays.length === 0 && <li>Looks at it</li>}
                </ul>
              ),
            },
            {
              title: "State",
              cell: (rule) =>
                rule.failedRunId ? (
                  <Link to={`/runs/${rule.failedRunId}`}>
                    <State of="failed">Failed last time</State>
                  </Link>
                ) : (
                  <State of={rule.isEnabled ? "enabled" : "disabled"} />
                ),
            },
          ]}
        />
      )}
    </Card>
  );
}

function DeleteAccount({ account }: { account: Account }) {
  const navigate = useNavigate();
  function leave() {
    void queries.invalidateQueries({ queryKey: ["accounts"], refetchType: "none" });
    void navigate("/accounts");
  }
  const remove = () => ask(api.DELETE("/app/accounts/{id}", at(account.id)));
  return (
    <Delete what="account" name={account.name} remove={remove} onGone={leave}>
      It has to be empty. What moved through it stays on record, and rules that use it stop working.
    </Delete>
  );
}
