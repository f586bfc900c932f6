/** The page in front of the app: one thing to fill in, in the middle. */
import type { ReactNode } from "react";
import { Page } from "@/parts/Page";
import styles from "./door.module.css";

type Acting = { act: string; isBusy: boolean; onAct: () => void };
type Props = { title: string; after?: ReactNode; children: ReactNode } & (Acting | { act?: never });

export function Door({ title, after, children, ...acting }: Props) {
  return (
    <main className={styles.door}>
      <p className={styles.brand}>Sluiceway</p>
      <div className="card">
        <Page title={title}>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault();
              if (acting.act) acting.onAct();
            }}
          >
            {children}
            {acting.act && (
              <button type="submit" className="button primary" disabled={acting.isBusy}>
                {acting.act}
              </button>
            )}
            {after}
          </form>
        </Page>
      </div>
    </main>
  );
}
