/** A table that becomes a list of cards where there is no room for columns. */
import type { ReactNode } from "react";
import styles from "./parts.module.css";

export type Column<Row> = {
  title: string;
  cell: (row: Row) => ReactNode;
  /** "end" for amounts and counts. */
  align?: "end";
  /** What the row is called: it heads the card. */
  isName?: boolean;
};

type Props<Row> = {
  /** What the table holds, for those who do not see what is above it. */
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
};

export function Table<Row>({ caption, columns, rows, rowKey }: Props<Row>) {
  const named = columns.findIndex((column) => column.isName);
  return (
    // Roles are spelled out because the cards' layout takes them from the elements.
    <table className={styles.table} role="table">
      <caption className="hidden">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map((column) => (
            <th key={column.title} role="columnheader" scope="col" data-align={column.align}>
              {column.title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={rowKey(row)} role="row">
            {columns.map((column, index) => {
              const shared = { "data-align": column.align, "data-title": column.title };
              return index === named ? (
                <th key={column.title} role="rowheader" scope="row" {...shared}>
                  {column.cell(row)}
                </th>
              ) : (
                <td key={column.title} role="cell" {...shared}>
                  {column.cell(row)}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
