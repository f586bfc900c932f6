/** Sending a span of what happened to a webhook again. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, at, type Refused } from "@/api/client";
import { Dialog, Form, say, TextField, useClock } from "@/parts";
import type { Endpoint } from "./Webhooks";

export function Replay({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const { zone, fieldOf, momentOf } = useClock();
  const away = (by: number) => fieldOf(new Date(Date.now() + by).toISOString());
  const [from, setFrom] = useState(away(-86_400_000));
  const [to, setTo] = useState(away(60_000));
  const replay = useMutation({
    mutationFn: () => {
      const body = { fromAt: momentOf(from), toAt: momentOf(to) };
      return ask(api.POST("/app/webhooks/{id}/replay", { ...at(endpoint.id), body }));
    },
    onSuccess: ({ data }) => {
      say(data.messages === 1 ? "1 message is sent again" : `${data.messages} messages are sent again`);
      onClose();
    },
  });
  const error = replay.error as Refused | null;
  return (
    <Dialog title="Send again what happened" isOpen onClose={onClose}>
      <Form error={error} act="Send again" isBusy={replay.isPending} onSend={() => replay.mutate()}>
        <p className="soft">By the real time, in {zone}. Messages that were sent before keep their ids.</p>
        <div className="fields">
          <TextField label="From" type="datetime-local" required value={from} onValue={setFrom} />
          <TextField label="To" type="datetime-local" required value={to} onValue={setTo} error={error?.of("toAt")} />
        </div>
      </Form>
    </Dialog>
  );
}
