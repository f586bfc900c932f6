/** Run a rule by hand: first what would happen, then the button that does it. */
import { useMutation } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { useNavigate } from "react-router";
import { answered, api, at } from "@/api/client";
import { useOrganization } from "@/api/session";
import { AmountField, Button, Dialog, Form } from "@/parts";
import { Rehearsal } from "./Told";

type Props = { ruleId: string; word: string; intro?: string; amountInCents?: number | null };

export function RunNow({ ruleId, word, intro, amountInCents = null }: Props) {
  const [isOpen, setOpen] = useState(false);
  const [cents, setCents] = useState(amountInCents);
  const { currency } = useOrganization();
  const navigate = useNavigate();
  // One for all that is sent after a look: pressing twice runs it once.
  const key = useRef("");
  const body = cents === null ? {} : { amountInCents: cents };
  const look = useMutation({
    mutationFn: () => answered(api.POST("/app/rules/{id}/try", { ...at(ruleId), body })),
    onSuccess: () => {
      key.current = crypto.randomUUID();
    },
  });
  const run = useMutation({
    mutationFn: async () => {
      const headers = { "Idempotency-Key": key.current };
      return answered(api.POST("/app/rules/{id}/trigger", { ...at(ruleId), body, headers }));
    },
    onSuccess: ({ runId }) => navigate(`/runs/${runId}`),
  });
  function open(isNow: boolean) {
    setOpen(isNow);
    setCents(amountInCents);
    look.reset();
    run.reset();
  }
  return (
    <>
      <Button act={word} icon="runs" onClick={() => open(true)} />
      <Dialog title={word} isOpen={isOpen} onClose={() => open(false)}>
        {intro && <p>{intro}</p>}
        <Form error={look.error ?? run.error} onSend={() => look.mutate()}>
          <AmountField
            label="Amount (if it needs one)"
            hint="Stands in for what has arrived and for what is there."
            cents={cents}
            currency={currency}
            onCents={(read) => {
              setCents(read);
              look.reset();
            }}
          />
          {look.data && <Rehearsal tried={look.data} />}
          <div className="row end">
            <Button
              act="See what would happen"
              look={look.data ? undefined : "primary"}
              type="submit"
              disabled={look.isPending}
            />
            {look.data && <Button act="Run it" look="primary" disabled={run.isPending} onClick={() => run.mutate()} />}
          </div>
        </Form>
      </Dialog>
    </>
  );
}
