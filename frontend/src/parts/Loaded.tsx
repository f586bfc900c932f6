/** What a page shows while it waits, when there is nothing, and when something is wrong. */
import type { ReactNode } from "react";
import { Button } from "./Button";
import { Icon, type IconName } from "./icons";
import styles from "./parts.module.css";

export function Loading() {
  return (
    <p className={`soft ${styles.loading}`} aria-busy="true">
      Loading …
    </p>
  );
}

type EmptyProps = { icon?: IconName; title: string; children?: ReactNode };

/** Nothing here: say so, and what would make something be here. */
export function Empty({ icon, title, children }: EmptyProps) {
  return (
    <div className={styles.empty}>
      {icon && <Icon name={icon} />}
      <p>
        <strong>{title}</strong>
      </p>
      {children && <div className="soft">{children}</div>}
    </div>
  );
}

export function Failed({ error, onRetry }: { error: Error; onRetry?: () => void }) {
  const requestId = "requestId" in error ? String(error.requestId) : "";
  return (
    <div className={styles.empty} role="alert">
      <p>
        <strong>{error.message}</strong>
      </p>
      {requestId && <p className="soft small">Request {requestId}</p>}
      {onRetry && <Button act="Try again" onClick={onRetry} />}
    </div>
  );
}

export type Query<T> = { data: T | undefined; error: Error | null; refetch: () => unknown };

/** Wait for a query and show what it gave. What was read before stays while it is read again. */
export function Loaded<T>({ query, children }: { query: Query<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data);
  if (query.error) return <Failed error={query.error} onRetry={() => void query.refetch()} />;
  return <Loading />;
}

type Pages = { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };

/** The rest of a list, a page at a time. */
export function More({ list }: { list: Pages }) {
  if (!list.hasNextPage) return null;
  return (
    <div className={styles.more}>
      <Button act="Show more" disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()} />
    </div>
  );
}
