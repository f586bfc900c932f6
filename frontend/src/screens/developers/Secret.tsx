/** A secret that is shown this once. */
import type { ReactNode } from "react";
import { Button } from "@/parts/Button";
import { CopyText } from "@/parts/CopyText";
import { Dialog } from "@/parts/Dialog";

type Props = { title: string; secret: string | null; onClose: () => void; children: ReactNode };

export function Secret({ title, secret, onClose, children }: Props) {
  return (
    <Dialog title={title} isOpen={secret !== null} onClose={onClose}>
      <p>
        <strong>It is shown only now.</strong> {children}
      </p>
      <CopyText text={secret ?? ""} />
      <div className="row end">
        <Button act="I have it" look="primary" onClick={onClose} />
      </div>
    </Dialog>
  );
}
