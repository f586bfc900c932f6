/** How the organization is set up: the switch that stops everything, its waits and its limits. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answered, api, ask, type Refused } from "@/api/client";
import { queries, useOrganization } from "@/api/session";
import { Button, Card, Confirm, Facts, Form, Loaded, Money, Page, SelectField, State, say, When } from "@/parts";
import { KeysOn } from "@/parts/KeyList";
import { keep, usePreference } from "@/parts/preferences";
import { Limits } from "./Limits";
import { SettingsTabs } from "./SettingsTabs";

const KEY = ["settings"];
const readSettings = () => answered(api.GET("/app/settings"));
export type Settings = Awaited<ReturnType<typeof readSettings>>;
type Answer = { data: Settings };

/** Change a setting: the answer is how everything stands now, and what is shown anywhere may go by it. */
export function useChange(done: string, onDone: () => void = () => {}) {
  return useMutation<Answer, Refused, () => Promise<Answer>>({
    mutationFn: (change) => change(),
    onSuccess: ({ data }) => {
      queries.setQueryData(KEY, data);
      void queries.invalidateQueries();
      say(done);
      onDone();
    },
  });
}

export default function Organization() {
  const query = useQuery({ queryKey: KEY, queryFn: readSettings });
  return (
    <Page title="Settings">
      <SettingsTabs />
      <Loaded query={query}>
        {(settings) => (
          <>
            <Switch settings={settings} />
            <Waits settings={settings} key={`${settings.approvalLastsInSeconds}/${settings.handoverDelayInSeconds}`} />
            <Limits settings={settings} />
            <TimeZone settings={settings} key={settings.timeZone} />
            <Card title="Organization">
              <Facts
                facts={[
                  ["Name", settings.name],
                  ["Kind", settings.isSandbox ? "Sandbox: play money, a simulated bank" : "Live: real money"],
                  ["Currency", settings.currency],
                  [
                    "Smallest transfer",
                    <Money key="least" cents={settings.minimumTransferInCents} currency={settings.currency} />,
                  ],
                ]}
              />
            </Card>
            <ThisBrowser />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function TimeZone({ settings }: { settings: Settings }) {
  const [timeZone, setTimeZone] = useState(settings.timeZone);
  const change = useChange("Saved");
  const mayChange = settings.can.includes("setTimeZone");
  const save = () => change.mutate(() => ask(api.PUT("/app/settings/time-zone", { body: { timeZone } })));
  return (
    <Card title="Times">
      <Form error={change.error} act={mayChange && "Save"} isMinor isBusy={change.isPending} onSend={save}>
        <div className="fields">
          <SelectField
            label="Time zone"
            hint="Times are shown in it to everybody here, and new schedules begin in it. A rule runs by the zone that it names."
            value={timeZone}
            onValue={setTimeZone}
            disabled={!mayChange}
            options={settings.timeZones.map((zone) => [zone, zone] as const)}
          />
        </div>
      </Form>
    </Card>
  );
}

function ThisBrowser() {
  return (
    <Card title="This browser">
      <div className="stack">
        <div className="fields">
          <SelectField
            label="Colours"
            value={usePreference("theme")}
            onValue={(theme) => keep("theme", theme)}
            options={THEMES}
          />
        </div>
        <KeysOn />
      </div>
    </Card>
  );
}

const THEMES = [
  ["", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
] as const;

function Switch({ settings }: { settings: Settings }) {
  const [isAsking, setAsking] = useState(false);
  const isPaused = settings.pausedAt !== null;
  const { stoppedFor } = useOrganization();
  const change = useChange(isPaused ? "Resumed" : "Everything is paused", () => setAsking(false));
  const act = () => change.mutateAsync(() => ask(api.POST(isPaused ? "/app/settings/resume" : "/app/settings/pause")));
  const mayChange = settings.can.includes(isPaused ? "resume" : "pause");
  const press = (
    <Button
      act={isPaused ? "Resume" : "Pause everything"}
      icon={isPaused ? "runs" : "pause"}
      look={isPaused ? "primary" : "danger"}
      onClick={() => setAsking(true)}
    />
  );
  return (
    <Card title="Automation" actions={mayChange && press}>
      <div className="stack tight">
        <State tone={isPaused ? "warn" : "good"}>
          {stoppedFor ? "No money moves" : isPaused ? "Everything is paused" : "Rules run"}
        </State>
        <p className="soft">
          {stoppedFor ? (
            <>
              Since <When at={settings.pausedAt} exact />. {stoppedFor} Only whoever runs this server can let it go on.
            </>
          ) : isPaused ? (
            <>
              Since <When at={settings.pausedAt} exact />. No rule moves money. What arrives is kept, and waits.
            </>
          ) : (
            "Pausing stops every rule at once. Nothing is lost: what comes in meanwhile waits until you resume."
          )}
        </p>
      </div>
      <Confirm
        title={isPaused ? "Let rules run again?" : "Pause everything?"}
        act={isPaused ? "Let them run" : "Pause now"}
        isOpen={isAsking}
        isDanger={!isPaused}
        onClose={() => setAsking(false)}
        onAct={act}
      >
        <p>
          {isPaused
            ? "What has waited runs now, and of each schedule the latest time that was missed."
            : "From now on no rule moves money, for anybody here. Payments that a bank has already go on."}
        </p>
      </Confirm>
    </Card>
  );
}

const APPROVAL_LASTS = [
  [3_600, "1 hour"],
  [14_400, "4 hours"],
  [86_400, "1 day"],
  [259_200, "3 days"],
  [604_800, "1 week"],
] as const;
const DELAYS = [
  [0, "At once"],
  [600, "After 10 minutes"],
  [3_600, "After 1 hour"],
  [14_400, "After 4 hours"],
  [86_400, "After 1 day"],
] as const;

/** What there is to choose from, and what is set, where that is something else. */
function optionsWith(choices: readonly (readonly [number, string])[], set: number) {
  const known = choices.some(([seconds]) => seconds === set);
  const all = known ? choices : ([[set, `${set} seconds`], ...choices] as const);
  return all.map(([seconds, word]) => [String(seconds), word] as const);
}

function Waits({ settings }: { settings: Settings }) {
  const [lasts, setLasts] = useState(String(settings.approvalLastsInSeconds));
  const [delay, setDelay] = useState(String(settings.handoverDelayInSeconds));
  const change = useChange("Saved");
  const body = { approvalLastsInSeconds: Number(lasts), handoverDelayInSeconds: Number(delay) };
  const mayChange = settings.can.includes("setWaits");
  const save = () => change.mutate(() => ask(api.PUT("/app/settings/waits", { body })));
  return (
    <Card title="Waits">
      <Form error={change.error} act={mayChange && "Save"} isMinor isBusy={change.isPending} onSend={save}>
        <div className="fields">
          <SelectField
            label="Wait for approval"
            hint="Then the transfer is called off."
            value={lasts}
            onValue={setLasts}
            disabled={!mayChange}
            options={optionsWith(APPROVAL_LASTS, settings.approvalLastsInSeconds)}
          />
          <SelectField
            label="Payments go to the bank"
            hint="Until then one can be cancelled."
            value={delay}
            onValue={setDelay}
            disabled={!mayChange}
            options={optionsWith(DELAYS, settings.handoverDelayInSeconds)}
          />
        </div>
      </Form>
    </Card>
  );
}
