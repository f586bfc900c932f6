/** The sandbox's world: its clock, and what people outside do with money. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { answered, api, type Refused } from "@/api/client";
import { queries, usePerson } from "@/api/session";
import { Card, Empty, Loaded, Page, State } from "@/parts";
import { RunTable } from "../runs/Runs";
import { Arrive, Collect, Pay } from "./Acts";
import { Clock } from "./Clock";
import { Faults } from "./Faults";

const readSandbox = () => answered(api.GET("/app/sandbox"));
export type World = Awaited<ReturnType<typeof readSandbox>>;
export type Happened = { message: string; isDone: boolean; transferId: string | null };
type Told = Happened & { number: number };
export type Act = ReturnType<typeof useAct>;

/** Do something to the world; what came of it is told above, and everything that it touched is read again. */
export function useAct(tell: (happened: Happened) => void) {
  return useMutation<{ data: Happened }, Refused, () => Promise<{ data: Happened }>>({
    mutationFn: (act) => act(),
    onSuccess: ({ data }) => {
      tell(data);
      void queries.invalidateQueries();
    },
  });
}

export default function Sandbox() {
  const query = useQuery({ queryKey: ["sandbox"], queryFn: readSandbox });
  const [happened, setHappened] = useState<readonly Told[]>([]);
  const tell = (one: Happened) =>
    setHappened((before) => [{ ...one, number: (before[0]?.number ?? 0) + 1 }, ...before].slice(0, 5));
  const mayAct = usePerson().role !== "VIEWER";
  return (
    <Page title="Sandbox" intro="Nothing here is real: turn the clock, let money arrive, and watch your rules at work.">
      <Loaded query={query}>
        {(world) => (
          <>
            <Clock clock={world.clock} mayAct={mayAct} />
            <Log happened={happened} />
            {happened.length > 0 && <WhatRulesDid />}
            {mayAct && world.places.length === 0 ? (
              <Card>
                <Empty icon="accounts" title="There is no account yet">
                  <Link to="/accounts#new">Make one</Link>, and money can arrive in it.
                </Empty>
              </Card>
            ) : mayAct ? (
              <div className="columns two">
                <Arrive world={world} tell={tell} />
                <Collect world={world} tell={tell} />
                <Pay world={world} tell={tell} />
                <Faults world={world} tell={tell} />
              </div>
            ) : (
              <Card>
                <Empty title="You can look at this world, and not change it.">
                  Ask an admin for the role of a writer.
                </Empty>
              </Card>
            )}
          </>
        )}
      </Loaded>
    </Page>
  );
}

/** The last runs: they appear here by themselves as they end. */
function WhatRulesDid() {
  const query = { limit: 5, mode: "LIVE" as const };
  const runs = useQuery({
    queryKey: ["runs", "sandbox"],
    queryFn: () => answered(api.GET("/app/runs", { params: { query } })),
  });
  return (
    <Card title="What rules did" actions={<Link to="/runs">All runs</Link>} flush>
      <Loaded query={runs}>
        {(found) => (found.length ? <RunTable runs={found} /> : <p className="soft">No rule has run yet.</p>)}
      </Loaded>
    </Card>
  );
}

function Log({ happened }: { happened: readonly Told[] }) {
  return (
    <div role="status" className={happened.length > 0 ? undefined : "hidden"}>
      {happened.length > 0 && (
        <Card title="What happened">
          <ul className="stack tight">
            {happened.map((one) => (
              <li key={one.number} className="row">
                <State tone={one.isDone ? "good" : "warn"}>{one.message}</State>
                {one.transferId && <Link to={`/transfers/${one.transferId}`}>The transfer</Link>}
              </li>
            ))}
          </ul>
        </Card>
      )}
    </div>
  );
}
