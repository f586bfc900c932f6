/** The clock that people can turn: everything that is due on the way happens at its time. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type Refused } from "@/api/client";
import { queries } from "@/api/session";
import { Button, Card, ErrorSummary, State, say, TextField, useClock, When } from "@/parts";
import type { World } from "./Sandbox";

type Body = { days?: number; toNext?: boolean };
const STEPS = [
  [1, "A day"],
  [7, "A week"],
  [30, "30 days"],
] as const;

export function Clock({ clock, mayAct }: { clock: World["clock"]; mayAct: boolean }) {
  const [days, setDays] = useState("90");
  const { exactly } = useClock();
  const move = useMutation<{ data: World["clock"] }, Refused, Body | "freeze" | "resume">({
    mutationFn: (to) => {
      if (to === "freeze") return ask(api.POST("/app/sandbox/clock/freeze"));
      if (to === "resume") return ask(api.POST("/app/sandbox/clock/resume"));
      return ask(api.POST("/app/sandbox/clock/advance", { body: to }));
    },
    onSuccess: ({ data }) => {
      say(`It is ${exactly(data.now)}.`);
      void queries.invalidateQueries();
    },
  });
  const turn = (
    <Button
      act={clock.isFrozen ? "Let it run" : "Stop it"}
      disabled={move.isPending}
      onClick={() => move.mutate(clock.isFrozen ? "resume" : "freeze")}
    />
  );
  return (
    <Card title="Clock" actions={mayAct && turn}>
      <div className="stack">
        <div className="row">
          <strong className="big">
            <time dateTime={clock.now}>{exactly(clock.now)}</time>
          </strong>
          <State tone={clock.isFrozen ? "idle" : "good"}>{clock.isFrozen ? "Stands still" : "Runs"}</State>
        </div>
        <p className="soft">
          {clock.nextDueAt ? (
            <>
              Next, something happens <When at={clock.nextDueAt} exact />.
            </>
          ) : (
            "Nothing is planned."
          )}
        </p>
        <ErrorSummary error={move.error} />
        {mayAct && (
          <fieldset disabled={move.isPending} aria-label="Move the clock forward" className="row">
            {STEPS.map(([count, word]) => (
              <Button key={count} act={`${word} on`} onClick={() => move.mutate({ days: count })} />
            ))}
            {clock.nextDueAt && <Button act="To what comes next" onClick={() => move.mutate({ toNext: true })} />}
            <form
              className="row"
              onSubmit={(event) => {
                event.preventDefault();
                move.mutate({ days: Number(days) });
              }}
            >
              <TextField
                label={<span className="hidden">Days</span>}
                type="number"
                min={1}
                max={366}
                required
                value={days}
                onValue={setDays}
              />
              <Button act="Days on" type="submit" />
            </form>
          </fieldset>
        )}
        {move.isPending && <p role="status">Everything that is due on the way happens now. This can take a while …</p>}
      </div>
    </Card>
  );
}
