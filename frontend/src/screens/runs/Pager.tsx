/** Where a list goes on, and back to its beginning. Each page has an address, so the browser's own "back" works. */
import { Link, useSearchParams } from "react-router";
import styles from "./runs.module.css";

export function Pager({ next }: { next: string | null }) {
  const [search] = useSearchParams();
  const isFirst = !search.get("cursor");
  if (isFirst && !next) return null;
  const to = (cursor: string | null) => {
    const changed = new URLSearchParams(search);
    if (cursor) changed.set("cursor", cursor);
    else changed.delete("cursor");
    return { search: changed.toString() };
  };
  return (
    <nav className={styles.pager} aria-label="Pages">
      {!isFirst && (
        <Link className="button" to={to(null)}>
          Newest
        </Link>
      )}
      {next && (
        <Link className="button" to={to(next)} onClick={() => scrollTo({ top: 0 })}>
          Older
        </Link>
      )}
    </nav>
  );
}
