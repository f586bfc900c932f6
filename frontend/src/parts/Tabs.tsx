/** Pages of one subject, beside each other. They are links: each has its own address. */
import { NavLink } from "react-router";
import styles from "./parts.module.css";

export function Tabs({ label, tabs }: { label: string; tabs: readonly (readonly [to: string, word: string])[] }) {
  return (
    <nav className={styles.tabs} aria-label={label}>
      {tabs.map(([to, word]) => (
        <NavLink key={to} to={to} end>
          {word}
        </NavLink>
      ))}
    </nav>
  );
}
