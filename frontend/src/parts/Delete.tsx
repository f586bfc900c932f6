/** Delete something, after asking. */
import { type ReactNode, useState } from "react";
import { Button } from "./Button";
import { Confirm } from "./Dialog";

type Props = { what: string; name: string; remove: () => Promise<unknown>; onGone: () => void; children: ReactNode };

export function Delete({ what, name, remove, onGone, children }: Props) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button act="Delete" look="danger" onClick={() => setOpen(true)} />
      <Confirm
        title={`Delete “${name}”?`}
        act={`Delete the ${what}`}
        isDanger
        isOpen={isOpen}
        onClose={() => setOpen(false)}
        onAct={remove}
        onDone={onGone}
      >
        <p>{children}</p>
      </Confirm>
    </>
  );
}
