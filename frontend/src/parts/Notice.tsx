/** What has to be minded before anything else on a page. */
import type { ReactNode } from "react";
import { Icon } from "./icons";
import styles from "./parts.module.css";

type Props = { tone: "bad" | "warn" | "note"; title: string; children?: ReactNode };

export function Notice({ tone, title, children }: Props) {
  return (
    <div className={styles.notice} data-tone={tone}>
      <Icon name={tone === "note" ? "note" : "warning"} />
      <div className="stack tight">
        <strong>{title}</strong>
        {children}
      </div>
    </div>
  );
}
