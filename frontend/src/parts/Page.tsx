/** A page's frame: its title, what can be done, and where the eye and the screen reader begin. */
import { type ReactNode, useEffect, useRef } from "react";
import { useLocation, useNavigate } from "react-router";
import { Refused } from "@/api/client";
import { Loaded, type Query } from "./Loaded";
import styles from "./parts.module.css";
import { usePreference } from "./preferences";
import { withoutAmounts } from "./privacy";

type PageProps = { title: string; intro?: ReactNode; actions?: ReactNode; narrow?: boolean; children: ReactNode };

export function Page({ title, intro, actions, narrow, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  const { pathname, key } = useLocation();
  const isPrivate = usePreference("private") === "yes";
  useEffect(() => {
    document.title = `${isPrivate ? withoutAmounts(title) : title} · Sluiceway`;
  }, [title, isPrivate]);
  // After going to another page the reading starts at its title, not at the link that was pressed.
  // biome-ignore lint/correctness/useExhaustiveDependencies: it is the path that tells pages apart.
  useEffect(() => {
    if (key !== "default") heading.current?.focus({ preventScroll: true });
  }, [pathname]);
  return (
    <div className={narrow ? `${styles.page} ${styles.narrow}` : styles.page}>
      <header className={styles.head}>
        <div className="stack tight">
          <h1 ref={heading} tabIndex={-1}>
            {title}
          </h1>
          {intro && <p className="soft">{intro}</p>}
        </div>
        {actions && <div className="row">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

/** Wait for what a whole page is about; where it cannot be shown there is a page that says so. */
export function LoadedPage<T>({ query, children }: { query: Query<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined || !query.error) return <Loaded query={query}>{children}</Loaded>;
  const isMissing = query.error instanceof Refused && query.error.status === 404;
  return (
    <Page title={isMissing ? "Nothing here" : "This cannot be shown"}>
      <Loaded query={query}>{children}</Loaded>
    </Page>
  );
}

/** Whether a page's form for something new is open: by its button, which says `aria-keyshortcuts="n"`, or by `#new`. */
export function useNew() {
  const { hash, search } = useLocation();
  const navigate = useNavigate();
  const open = (isOpen: boolean) => void navigate({ search, hash: isOpen ? "new" : "" }, { replace: true });
  return [hash === "#new", open] as const;
}

type CardProps = { title?: ReactNode; actions?: ReactNode; children: ReactNode; flush?: boolean };

/** A part of a page with a heading of its own. `flush` lets a table reach its edges. */
export function Card({ title, actions, children, flush }: CardProps) {
  return (
    <section className={flush ? `card ${styles.flush}` : "card"}>
      {(title || actions) && (
        <div className={`row spread ${styles.cardHead}`}>
          {title && <h2>{title}</h2>}
          {actions && <div className="row">{actions}</div>}
        </div>
      )}
      {children}
    </section>
  );
}

/** Names and what they are, side by side. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode] | null | false | undefined)[] }) {
  return (
    <dl className={styles.facts}>
      {facts.map(
        (fact) =>
          fact && (
            <div key={fact[0]}>
              <dt>{fact[0]}</dt>
              <dd>{fact[1]}</dd>
            </div>
          ),
      )}
    </dl>
  );
}
