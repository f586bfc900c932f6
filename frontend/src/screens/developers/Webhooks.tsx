/** Webhooks: who is told what happens. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { answered, api, ask, at, type Refused } from "@/api/client";
import { queries, usePerson } from "@/api/session";
import { Button, CheckField, Dialog, Empty, ErrorSummary, Form, Loaded, State, say, TextField, When } from "@/parts";
import { Card, Facts, Page, useNew } from "@/parts/Page";
import styles from "./developers.module.css";
import { Replay } from "./Replay";
import { Secret } from "./Secret";
import { DeveloperTabs } from "./Tabs";

const readWebhooks = () => answered(api.GET("/app/webhooks"));
type Read = Awaited<ReturnType<typeof readWebhooks>>;
export type Endpoint = Read["endpoints"][number];
const TONES = { ENABLED: ["good", "Enabled"], FAILING: ["bad", "Failing"], DISABLED: ["idle", "Disabled"] } as const;
const renew = () => queries.invalidateQueries({ queryKey: ["webhooks"] });

export default function Webhooks() {
  const query = useQuery({ queryKey: ["webhooks"], queryFn: readWebhooks });
  const [isMaking, setMaking] = useNew();
  const [secret, setSecret] = useState<string | null>(null);
  const isAdmin = usePerson().role === "ADMIN";
  const take = (made: string) => {
    setMaking(false);
    setSecret(made);
    void renew();
  };
  return (
    <Page
      title="Developers"
      intro="Your own servers are told what happens, signed, in order, and again until they have it."
      actions={
        isAdmin && (
          <Button act="New webhook" icon="plus" look="primary" aria-keyshortcuts="n" onClick={() => setMaking(true)} />
        )
      }
    >
      <DeveloperTabs />
      <Loaded query={query}>
        {({ endpoints, eventKinds }) => (
          <>
            {endpoints.map((endpoint) => (
              <EndpointCard key={endpoint.id} endpoint={endpoint} onSecret={take} />
            ))}
            {endpoints.length === 0 && (
              <Card>
                <Empty icon="external" title="Nobody is told what happens." />
              </Card>
            )}
            {isMaking && isAdmin && <NewWebhook kinds={eventKinds} onClose={() => setMaking(false)} onMade={take} />}
          </>
        )}
      </Loaded>
      <Secret title="The webhook's secret" secret={secret} onClose={() => setSecret(null)}>
        With it your server checks that a message is from here.
      </Secret>
    </Page>
  );
}

type Acting = (act: () => Promise<unknown>) => void;

function EndpointCard({ endpoint, onSecret }: { endpoint: Endpoint; onSecret: (secret: string) => void }) {
  const [isReplaying, setReplaying] = useState(false);
  const act = useMutation<unknown, Refused, () => Promise<unknown>>({
    mutationFn: (does) => does(),
    onSuccess: () => {
      say("Done");
      return renew();
    },
  });
  const [tone, word] = TONES[endpoint.state];
  return (
    <Card title={endpoint.url} actions={<State tone={tone}>{word}</State>}>
      <div className="stack">
        <ErrorSummary error={act.error} />
        <Facts
          facts={[
            ["Hears", endpoint.events.includes("*") ? "everything" : endpoint.events.join(", ")],
            endpoint.reason !== null && ["Why", endpoint.reason],
            endpoint.failingSince !== null && ["Failing since", <When key="since" at={endpoint.failingSince} exact />],
            endpoint.dueAt !== null && ["Next attempt", <When key="due" at={endpoint.dueAt} exact />],
            endpoint.oldSecretUntil !== null && [
              "The old secret signs until",
              <When key="old" at={endpoint.oldSecretUntil} exact />,
            ],
          ]}
        />
        <div className="row">
          <Link to={`/developers/webhooks/deliveries?endpoint=${endpoint.id}`}>What was sent</Link>
          <Acts
            endpoint={endpoint}
            isBusy={act.isPending}
            onAct={act.mutate}
            onSecret={onSecret}
            onReplay={() => setReplaying(true)}
          />
        </div>
      </div>
      {isReplaying && <Replay endpoint={endpoint} onClose={() => setReplaying(false)} />}
    </Card>
  );
}

type ActsProps = {
  endpoint: Endpoint;
  isBusy: boolean;
  onAct: Acting;
  onSecret: (secret: string) => void;
  onReplay: () => void;
};

function Acts({ endpoint, isBusy, onAct, onSecret, onReplay }: ActsProps) {
  const rotate = async () => onSecret((await answered(api.POST("/app/webhooks/{id}/rotate", at(endpoint.id)))).secret);
  const acts = {
    enable: ["Enable", () => onAct(() => ask(api.POST("/app/webhooks/{id}/enable", at(endpoint.id))))],
    disable: ["Disable", () => onAct(() => ask(api.POST("/app/webhooks/{id}/disable", at(endpoint.id))))],
    rotate: ["New secret", () => onAct(rotate)],
    replay: ["Send again …", onReplay],
  } as const;
  return endpoint.can.map((can) => (
    <Button key={can} act={acts[can][0]} look="quiet" disabled={isBusy} onClick={acts[can][1]} />
  ));
}

type NewProps = { kinds: readonly string[]; onClose: () => void; onMade: (secret: string) => void };

function NewWebhook({ kinds, onClose, onMade }: NewProps) {
  const [url, setUrl] = useState("");
  const [isAll, setAll] = useState(true);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const make = useMutation({
    mutationFn: () => ask(api.POST("/app/webhooks", { body: { url, events: isAll ? ["*"] : [...chosen] } })),
    onSuccess: ({ data }) => onMade(data.secret),
  });
  const error = make.error as Refused | null;
  const toggle = (kind: string, isChosen: boolean) =>
    setChosen(isChosen ? [...chosen, kind] : chosen.filter((each) => each !== kind));
  return (
    <Dialog title="A new webhook" isOpen onClose={onClose}>
      <Form
        error={error}
        act="Add it"
        isBusy={make.isPending || !(isAll || chosen.length)}
        onSend={() => make.mutate()}
      >
        <TextField
          label="Address"
          hint="Begins with https://, with a public name."
          type="url"
          required
          value={url}
          onValue={setUrl}
          error={error?.of("url")}
        />
        <CheckField label="It hears everything" checked={isAll} onChecked={setAll} />
        {!isAll && (
          <fieldset className={styles.choices} aria-label="What it hears">
            {kinds.map((kind) => (
              <CheckField
                key={kind}
                label={<code>{kind}</code>}
                checked={chosen.includes(kind)}
                onChecked={(isChosen) => toggle(kind, isChosen)}
              />
            ))}
          </fieldset>
        )}
      </Form>
    </Dialog>
  );
}
