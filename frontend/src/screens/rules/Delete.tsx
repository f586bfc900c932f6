/** Delete something of rules, after asking. */
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { Refused } from "@/api/client";
import { Button } from "@/parts/Button";
import { Confirm } from "@/parts/Dialog";
import { ErrorSummary } from "@/parts/Fields";

type Props = { what: string; name: string; remove: () => Promise<unknown>; onGone: () => void; children: ReactNode };

export function Delete({ what, name, remove, onGone, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  const gone = useMutation<unknown, Refused>({ mutationFn: remove, onSuccess: onGone });
  return (
    <>
      <Button act="Delete" look="danger" onClick={() => setOpen(true)} />
      <Confirm
        title={`Delete “${name}”?`}
        act={`Delete the ${what}`}
        isDanger
        isOpen={isOpen}
        isBusy={gone.isPending}
        onClose={() => setOpen(false)}
        onAct={() => gone.mutate()}
      >
        <ErrorSummary error={gone.error} />
        <p>{children}</p>
      </Confirm>
    </>
  );
}
