/** What can go wrong at the bank, on purpose. */
import { useState } from "react";
import { api, ask } from "@/api/client";
import { SelectField, TextField } from "@/parts/Fields";
import { ActCard } from "./Acts";
import { type Happened, useAct, type World } from "./Sandbox";

type Choice = World["faults"][number];

export function Faults({ world, tell }: { world: World; tell: (happened: Happened) => void }) {
  const [call, setCall] = useState<Choice["call"]>(world.faults[0]?.call ?? "submit");
  const [wanted, setFault] = useState<Choice["fault"]>("UNAVAILABLE");
  const [times, setTimes] = useState("1");
  const doing = useAct(tell);
  const calls = new Map(world.faults.map((each) => [each.call, each.callLabel]));
  const possible = world.faults.filter((each) => each.call === call);
  const fault = possible.some((each) => each.fault === wanted) ? wanted : "UNAVAILABLE";
  const fail = () => {
    const body = { call, fault, times: Number(times) };
    doing.mutate(() => ask(api.POST("/app/sandbox/faults", { body })));
  };
  return (
    <ActCard title="The bank fails" act="Let it fail" doing={doing} onAct={fail}>
      <SelectField label="At" value={call} options={[...calls]} onValue={(next) => setCall(next as Choice["call"])} />
      <SelectField
        label="How"
        value={fault}
        options={possible.map((each) => [each.fault, each.faultLabel])}
        onValue={(next) => setFault(next as Choice["fault"])}
      />
      <TextField label="Times" type="number" min={1} max={1000} required value={times} onValue={setTimes} />
    </ActCard>
  );
}
