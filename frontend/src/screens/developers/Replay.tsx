/** Sending a span of what happened to a webhook again. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { api, ask, type Refused } from "@/api/client";
import { Dialog } from "@/parts/Dialog";
import { Form, TextField } from "@/parts/Fields";
import { say } from "@/parts/Says";
import type { Endpoint } from "./Webhooks";

/** What a field of date and time shows, which has no zone: here it is always UTC. */
const fieldOf = (date: Date) => date.toISOString().slice(0, 16);
const momentOf = (field: string) => `${field}:00Z`;

export function Replay({ endpoint, onClose }: { endpoint: Endpoint; onClose: () => void }) {
  const now = new Date();
  const [from, setFrom] = useState(fieldOf(new Date(now.getTime() - 86_400_000)));
  const [to, setTo] = useState(fieldOf(new Date(now.getTime() + 60_000)));
  const replay = useMutation({
    mutationFn: () => {
      const params = { path: { id: endpoint.id } };
      const body = { fromAt: momentOf(from), toAt: momentOf(to) };
      return ask(api.POST("/app/webhooks/{id}/replay", { params, body }));
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
        <p className="soft">By the real time, in UTC. Messages that were sent before keep their ids.</p>
        <div className="fields">
          <TextField label="From" type="datetime-local" required value={from} onValue={setFrom} />
          <TextField label="To" type="datetime-local" required value={to} onValue={setTo} error={error?.of("toAt")} />
        </div>
      </Form>
    </Dialog>
  );
}
