/** A native dialog: it keeps the focus, Escape closes it, and the page behind it is inert. */
import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useEffect, useId, useRef } from "react";
import { Button } from "./Button";
import { ErrorSummary } from "./Fields";
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

type ConfirmProps = Props & { act: string; isDanger?: boolean; onAct: () => unknown; onDone?: () => unknown };

/** Ask before something that cannot be taken back; the button says what it does, and what is refused is told here. */
export function Confirm({ act, isDanger, onAct, onDone, children, ...dialog }: ConfirmProps) {
  const { isOpen, onClose } = dialog;
  const doing = useMutation({ mutationFn: async () => onAct(), onSuccess: onDone ?? onClose });
  const { reset } = doing;
  useEffect(() => {
    if (!isOpen) reset();
  }, [isOpen, reset]);
  return (
    <Dialog {...dialog}>
      <ErrorSummary error={doing.error} />
      {children}
      <div className="row end">
        <Button act="Not now" onClick={onClose} />
        <Button
          act={act}
          look={isDanger ? "danger" : "primary"}
          disabled={doing.isPending}
          onClick={() => doing.mutate()}
        />
      </div>
    </Dialog>
  );
}
