/** The page in front of the app: one thing to fill in, in the middle. */
import type { ReactNode } from "react";
import { Button, Form, Page } from "@/parts";
import styles from "./door.module.css";

type Acting = { act: string; isBusy: boolean; onAct: () => void };
type Shown = { title: string; error?: Error | null; after?: ReactNode; children: ReactNode };

export function Door({ title, error = null, after, children, ...acting }: Shown & (Acting | { act?: never })) {
  return (
    <main className={styles.door}>
      <p className={styles.brand}>Sluiceway</p>
      <div className="card">
        <Page title={title}>
          <Form error={error} onSend={() => acting.act && acting.onAct()}>
            {children}
            {acting.act && <Button act={acting.act} look="primary" type="submit" disabled={acting.isBusy} />}
            {after}
          </Form>
        </Page>
      </div>
    </main>
  );
}
