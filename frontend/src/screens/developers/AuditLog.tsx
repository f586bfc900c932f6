/** Who did what, when, and how it ended; narrowed down by the address, and taken along as a file. */
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { api, ask, BASE } from "@/api/client";
import { useList } from "@/api/lists";
import { Button, Card, Empty, Icon, Loaded, More, Page, State, Table, TextField, useClock } from "@/parts";
import { DeveloperTabs } from "./Tabs";

const FILTERS = ["action", "actorId", "from", "to"] as const;

export default function AuditLog() {
  const [search, setSearch] = useSearchParams();
  const filters: Record<string, string> = {};
  for (const name of FILTERS) {
    const value = search.get(name);
    if (value) filters[name] = value;
  }
  const { exactly } = useClock();
  const list = useList(["audit-log", filters], (cursor) =>
    ask(api.GET("/app/audit-log", { params: { query: { ...filters, ...(cursor ? { cursor } : {}) } } })),
  );
  const narrow = (name: string, value: string) => setSearch({ ...filters, [name]: value });
  const exported = (format: string) => `${BASE}/app/audit-log/export?${new URLSearchParams({ ...filters, format })}`;
  const actions = (
    <>
      <a className="button" href={exported("csv")} download>
        <Icon name="down" /> As a table
      </a>
      <a className="button" href={exported("jsonl")} download>
        <Icon name="down" /> As JSON lines
      </a>
    </>
  );
  return (
    <Page title="Developers" intro="Who did what. Nobody can change it without it showing." actions={actions}>
      <DeveloperTabs />
      <Filters key={search.toString()} filters={filters} onFilters={setSearch} />
      <Loaded query={list}>
        {(entries) => (
          <Card flush={entries.length > 0}>
            {entries.length === 0 ? (
              <Empty title="Nothing like that is on record." />
            ) : (
              <Table
                caption="Audit log"
                rows={entries}
                rowKey={(entry) => entry.id}
                columns={[
                  {
                    title: "Action",
                    isName: true,
                    cell: (entry) => (
                      <span className="row">
                        <Button act={entry.actionLabel} look="quiet" onClick={() => narrow("action", entry.action)} />
                        {entry.screen && <Link to={entry.screen}>which one</Link>}
                      </span>
                    ),
                  },
                  {
                    title: "Who",
                    cell: ({ actor, actorId }) =>
                      actorId ? <Button act={actor} look="quiet" onClick={() => narrow("actorId", actorId)} /> : actor,
                  },
                  { title: "When", cell: (entry) => <time dateTime={entry.at}>{exactly(entry.at)}</time> },
                  {
                    title: "How it ended",
                    cell: (entry) =>
                      entry.outcome === "SUCCESS" ? (
                        <State tone="good">Done</State>
                      ) : (
                        <span className="stack tight">
                          <State tone="bad">Refused</State>
                          <code>{entry.errorCode}</code>
                        </span>
                      ),
                  },
                ]}
              />
            )}
            <More list={list} />
          </Card>
        )}
      </Loaded>
    </Page>
  );
}

type FiltersProps = { filters: Record<string, string>; onFilters: (filters: Record<string, string>) => void };

function Filters({ filters, onFilters }: FiltersProps) {
  const [from, setFrom] = useState(filters.from?.slice(0, 10) ?? "");
  const [to, setTo] = useState(filters.to?.slice(0, 10) ?? "");
  const [action, setAction] = useState(filters.action ?? "");
  const wanted = {
    ...(action ? { action: action.trim().toUpperCase().replaceAll(" ", "_") } : {}),
    ...(filters.actorId ? { actorId: filters.actorId } : {}),
    ...(from ? { from: `${from}T00:00:00Z` } : {}),
    ...(to ? { to: `${to}T23:59:59.999Z` } : {}),
  };
  return (
    <form
      className="stack"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        onFilters(wanted);
      }}
    >
      <div className="fields">
        <TextField label="Action" value={action} onValue={setAction} />
        <TextField label="From" type="date" value={from} onValue={setFrom} />
        <TextField label="To" type="date" value={to} onValue={setTo} />
      </div>
      <div className="row">
        <Button act="Narrow down" type="submit" />
        {Object.keys(filters).length > 0 && <Button act="Show everything" look="quiet" onClick={() => onFilters({})} />}
      </div>
    </form>
  );
}
