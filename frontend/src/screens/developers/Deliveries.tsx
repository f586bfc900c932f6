/** What was sent to webhooks, and how it went. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { api, ask, at, type Refused } from "@/api/client";
import { useList } from "@/api/lists";
import { queries } from "@/api/session";
import { Button, Card, CheckField, Dialog, Empty, ErrorSummary, Facts, Loaded, More, Page, State, say } from "@/parts";
import { Table } from "@/parts/Table";
import { When } from "@/parts/When";
import { DeveloperTabs } from "./Tabs";

const read = (endpointId: string, isFailing: boolean, cursor: string | undefined) => {
  const query = {
    ...(endpointId ? { endpointId } : {}),
    ...(isFailing ? { only: "FAILING" as const } : {}),
    ...(cursor ? { cursor } : {}),
  };
  return ask(api.GET("/app/deliveries", { params: { query } }));
};
type Delivery = Awaited<ReturnType<typeof read>>["data"][number];

export default function Deliveries() {
  const [search, setSearch] = useSearchParams();
  const endpointId = search.get("endpoint") ?? "";
  const isFailing = search.get("only") === "failing";
  const list = useList(["deliveries", endpointId, isFailing], (cursor) => read(endpointId, isFailing, cursor));
  const [shown, setShown] = useState<Delivery | null>(null);
  const show = (isOnly: boolean) => {
    if (isOnly) search.set("only", "failing");
    else search.delete("only");
    setSearch(search, { replace: true });
  };
  return (
    <Page title="What was sent" intro={<Link to="/developers/webhooks">All webhooks</Link>}>
      <DeveloperTabs />
      <CheckField label="Only what failed" checked={isFailing} onChecked={show} />
      <Loaded query={list}>
        {(deliveries) => (
          <Card flush={deliveries.length > 0}>
            {deliveries.length === 0 ? (
              <Empty icon="external" title={isFailing ? "Nothing failed." : "Nothing was sent yet."} />
            ) : (
              <Table
                caption="What was sent"
                rows={deliveries}
                rowKey={(delivery) => delivery.id}
                columns={[
                  { title: "Event", isName: true, cell: (delivery) => <code>{delivery.kind}</code> },
                  { title: "Where", cell: (delivery) => delivery.url },
                  { title: "State", cell: (delivery) => <State of={delivery.status} /> },
                  { title: "Attempts", align: "end", cell: (delivery) => delivery.attempts },
                  { title: "When", cell: (delivery) => <When at={delivery.createdAt} /> },
                  {
                    title: "",
                    align: "end",
                    cell: (delivery) => (
                      <Button
                        act="Look"
                        look="quiet"
                        aria-label={`Look at ${delivery.kind}`}
                        onClick={() => setShown(delivery)}
                      />
                    ),
                  },
                ]}
              />
            )}
            <More list={list} />
          </Card>
        )}
      </Loaded>
      {shown && <DeliveryDialog delivery={shown} onClose={() => setShown(null)} />}
    </Page>
  );
}

function DeliveryDialog({ delivery, onClose }: { delivery: Delivery; onClose: () => void }) {
  const resend = useMutation({
    mutationFn: () => ask(api.POST("/app/deliveries/{id}/resend", at(delivery.id))),
    onSuccess: () => {
      say("It is sent again");
      onClose();
      return queries.invalidateQueries({ queryKey: ["deliveries"] });
    },
  });
  return (
    <Dialog title={delivery.kind} isOpen onClose={onClose}>
      <ErrorSummary error={resend.error as Refused | null} />
      <Facts
        facts={[
          ["State", <State key="state" of={delivery.status} />],
          delivery.error !== null && ["Last attempt", delivery.error],
          ["Attempts", delivery.attempts],
          ["Last tried", <When key="tried" at={delivery.attemptedAt} exact />],
          ["To", delivery.url],
          ["Message id", <code key="id">{delivery.eventId}</code>],
        ]}
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys. */}
      <pre tabIndex={0}>{delivery.body}</pre>
      {delivery.can.includes("resend") && (
        <div className="row end">
          <Button act="Send it again" disabled={resend.isPending} onClick={() => resend.mutate()} />
        </div>
      )}
    </Dialog>
  );
}
