/** The page in front of the app: one thing to fill in, in the middle. */
import type { ReactNode } from "react";
import { Page } from "@/parts/Page";
import styles from "./door.module.css";

type Props = { title: string; act: string; isBusy: boolean; onAct: () => void; children: ReactNode };

export function Door({ title, act, isBusy, onAct, children }: Props) {
  return (
    <main className={styles.door}>
      <p className={styles.brand}>Sluiceway</p>
      <div className="card">
        <Page title={title}>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              onAct();
            }}
          >
            {children}
            <button type="submit" className="button primary" disabled={isBusy}>
              {act}
            </button>
          </form>
        </Page>
      </div>
    </main>
  );
}
