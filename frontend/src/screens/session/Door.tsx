/** The pages in front of the app: who is meant to be there, and one thing to fill in, in the middle. */
import { useMutation } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Navigate, useLocation } from "react-router";
import { api, ask } from "@/api/client";
import { queries, SESSION, type Session, useSession } from "@/api/session";
import { Button, Form, Loaded, Page } from "@/parts";
import styles from "./door.module.css";

/** Let stay whom a door is `of`. Everybody else goes on to where they wanted, from where the right door is found. */
export function AtTheDoor({ of, children }: { of: Session["state"][]; children: ReactNode }) {
  const next = (useLocation().state as { next?: string } | null)?.next ?? "/";
  return (
    <Loaded query={useSession()}>
      {({ state }) => (of.includes(state) ? children : <Navigate to={next} replace />)}
    </Loaded>
  );
}

export function TurnBack() {
  const back = useMutation({
    mutationFn: () => ask(api.POST("/app/sign-out")),
    onSettled: () => queries.invalidateQueries({ queryKey: SESSION }),
  });
  return <Button act="Sign in as somebody else" look="quiet" onClick={() => back.mutate()} />;
}

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
