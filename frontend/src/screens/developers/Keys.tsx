/** API keys: what each may do, revoking them, and making new ones. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, ask, at, type Refused } from "@/api/client";
import { queries, usePerson } from "@/api/session";
import { Button, Card, Confirm, Dialog, Empty, Facts, Form, Loaded, Money, Page, TextField, useNew } from "@/parts";
import { say } from "@/parts/Says";
import { State } from "@/parts/State";
import { When } from "@/parts/When";
import { NewKey } from "./NewKey";
import { Secret } from "./Secret";
import { DeveloperTabs } from "./Tabs";

const readKeys = () => answered(api.GET("/app/keys"));
type Key = Awaited<ReturnType<typeof readKeys>>[number];

export default function Keys() {
  const query = useQuery({ queryKey: ["keys"], queryFn: readKeys });
  const [isMaking, setMaking] = useNew();
  const [secret, setSecret] = useState<string | null>(null);
  const make = usePerson().role === "ADMIN" && (
    <Button act="New key" icon="plus" look="primary" aria-keyshortcuts="n" onClick={() => setMaking(true)} />
  );
  return (
    <Page
      title="Developers"
      intro="Programs act with a key, and may do what it holds: never more, and never enable a rule."
      actions={make}
    >
      <DeveloperTabs />
      <Loaded query={query}>
        {(keys) =>
          keys.length ? (
            keys.map((key) => <KeyCard key={key.id} shown={key} />)
          ) : (
            <Card>
              <Empty icon="developers" title="No program has a key.">
                An admin makes one here, or with <code>sluiceway keys create</code>.
              </Empty>
            </Card>
          )
        }
      </Loaded>
      {isMaking && make && (
        <NewKey
          onClose={() => setMaking(false)}
          onMade={(made) => {
            setMaking(false);
            setSecret(made);
            void queries.invalidateQueries({ queryKey: ["keys"] });
          }}
        />
      )}
      <Secret title="Your new key" secret={secret} onClose={() => setSecret(null)}>
        Keep it where your program finds it, as <code>SLUICEWAY_KEY</code>.
      </Secret>
    </Page>
  );
}

function KeyCard({ shown }: { shown: Key }) {
  const [asked, setAsked] = useState<"revoke" | "limit" | null>(null);
  const close = () => setAsked(null);
  const actions = (
    <>
      {shown.can.includes("setRateLimit") && <Button act="Rate limit" look="quiet" onClick={() => setAsked("limit")} />}
      {shown.can.includes("revoke") && <Button act="Revoke" look="danger" onClick={() => setAsked("revoke")} />}
    </>
  );
  return (
    <Card title={shown.name} actions={actions}>
      <Facts
        facts={[
          ["State", <State key="state" of={shown.revokedAt ? "revoked" : "active"} />],
          shown.revokedAt !== null && ["Revoked", <When key="revoked" at={shown.revokedAt} />],
          [
            "May",
            <ul key="may">
              {shown.grants.map((grant) => (
                <li key={grant.permission}>
                  {grant.label}
                  {grant.details.length > 0 && <span className="soft">: {grant.details.join("; ")}</span>}
                </li>
              ))}
            </ul>,
          ],
          [
            "Waits for a person above",
            shown.approvalAboveInCents === null ? (
              <span key="never" className="soft">
                never
              </span>
            ) : (
              <Money key="above" cents={shown.approvalAboveInCents} currency="USD" />
            ),
          ],
          ["Calls a minute", shown.callsPerMinute ?? "no limit"],
          ["Made", <When key="made" at={shown.createdAt} exact />],
        ]}
      />
      {asked === "revoke" && <Revoke shown={shown} onClose={close} />}
      {asked === "limit" && <RateLimit shown={shown} onClose={close} />}
    </Card>
  );
}

type ChangeProps = { shown: Key; onClose: () => void };

function changed(done: string, onClose: () => void) {
  say(done);
  onClose();
  return queries.invalidateQueries({ queryKey: ["keys"] });
}

function Revoke({ shown, onClose }: ChangeProps) {
  const revoke = () => ask(api.POST("/app/keys/{id}/revoke", at(shown.id)));
  return (
    <Confirm
      title={`Revoke ${shown.name}?`}
      act="Revoke it"
      isOpen
      isDanger
      onClose={onClose}
      onAct={revoke}
      onDone={() => changed("Revoked", onClose)}
    >
      <p>
        The next request with this key is refused, and no request with it works ever again. Make sure that no program
        needs it.
      </p>
    </Confirm>
  );
}

function RateLimit({ shown, onClose }: ChangeProps) {
  const [calls, setCalls] = useState(shown.callsPerMinute === null ? "" : String(shown.callsPerMinute));
  const change = useMutation<unknown, Refused>({
    mutationFn: () => {
      const body = { callsPerMinute: calls === "" ? null : Number(calls) };
      return ask(api.PUT("/app/keys/{id}/rate-limit", { ...at(shown.id), body }));
    },
    onSuccess: () => changed("Saved", onClose),
  });
  return (
    <Dialog title={`How often ${shown.name} may call`} isOpen onClose={onClose}>
      <Form error={change.error} act="Save" isBusy={change.isPending} onSend={() => change.mutate()}>
        <TextField
          label="Calls a minute"
          hint="Nothing here: as many as it likes"
          type="number"
          min={1}
          value={calls}
          onValue={setCalls}
        />
      </Form>
    </Dialog>
  );
}
