/** A native dialog: it keeps the focus, Escape closes it, and the page behind it is inert. */
import { type ReactNode, useEffect, useId, useRef } from "react";
import { Button } from "./Button";
import styles from "./parts.module.css";

type Props = { title: string; isOpen: boolean; onClose: () => void; children: ReactNode };

export function Dialog({ title, isOpen, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal();
    if (!isOpen && dialog.current?.open) dialog.current.close();
  }, [isOpen]);
  return (
    <dialog ref={dialog} className={styles.dialog} aria-labelledby={id} onClose={onClose}>
      {isOpen && (
        <div className="stack">
          <div className="row spread">
            <h2 id={id}>{title}</h2>
            <Button icon="cross" look="quiet" aria-label="Close" onClick={() => dialog.current?.close()} />
          </div>
          {children}
        </div>
      )}
    </dialog>
  );
}

type ConfirmProps = Props & { act: string; isBusy?: boolean; isDanger?: boolean; onAct: () => void };

/** Ask before something that cannot be taken back; the button says what it does. */
export function Confirm({ act, isBusy, isDanger, onAct, children, ...dialog }: ConfirmProps) {
  return (
    <Dialog {...dialog}>
      {children}
      <div className="row end">
        <Button act="Not now" onClick={dialog.onClose} />
        <Button act={act} look={isDanger ? "danger" : "primary"} disabled={isBusy} onClick={onAct} />
      </div>
    </Dialog>
  );
}
