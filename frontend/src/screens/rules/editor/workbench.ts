/** What every part of the editor has at hand. */
import { createContext, useContext } from "react";
import { queries } from "@/api/session";
import type { Checked, Definition, Finding, Standing, Vocabulary } from "../api";
import { asidesOf, type Path } from "./draft";
import { KEPT } from "./kept";

export type Workbench = {
  words: Vocabulary;
  definition: Definition;
  checked: Checked | undefined;
  /** Whether what has not been filled in is told as a problem: only once somebody wants to go on. */
  isStrict: boolean;
  currencyOf: (account: unknown) => string;
  put: (path: Path, value: unknown) => void;
  /** Change the shape, and let the node at a path have the focus. */
  shape: (now: Definition, focus?: string) => void;
};

const Context = createContext<Workbench | null>(null);
export const WorkbenchProvider = Context.Provider;

export function useWorkbench(): Workbench {
  const found = useContext(Context);
  if (!found) throw new Error("No editor here");
  return found;
}

/** What was found at exactly this path. */
export function problemAt({ checked, isStrict }: Workbench, path: string): string | undefined {
  const found = checked?.findings.find((each) => each.path === path && (isStrict || each.code !== "missing"));
  return found?.severity === "error" ? found.message : undefined;
}

/** What was found at a node itself, and at none of its fields or children. */
export function findingsAt({ checked, isStrict }: Workbench, paths: readonly string[]): Finding[] {
  return (checked?.findings ?? []).filter(
    (each) => paths.includes(each.path) && (isStrict || each.code !== "missing" || each.severity !== "error"),
  );
}

export function standingAt({ checked }: Workbench, path: string): Standing | undefined {
  return checked?.standings.find((each) => each.path === path);
}

export const nodeId = (path: string) => `node-${path.replaceAll("/", "-")}`;

/** Where the next part that is set aside will be. */
export const asideAt = (definition: Definition) => `set_aside/${asidesOf(definition).length}`;

/** What was cut or copied last, in this browser: conditions and actions can be taken from rule to rule. */
const KEY = [KEPT, "clipboard"];
export type Clip = { kind: "condition" | "action" | "step"; value: unknown };

/** Take JSON from elsewhere over, so that it can be pasted; gives what it is. */
export function takeText(text: string): Clip["kind"] | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const keys = ["condition", "all", "any"].filter((key) => key in value);
  const kind = "actions" in value ? "step" : keys.length ? "condition" : "source" in value ? "action" : undefined;
  if (kind) keep({ kind, value });
  return kind;
}

const keep = (clip: Clip) => queries.setQueryData(KEY, clip);

export function copy(clip: Clip): void {
  keep(clip);
  // Also as text, for whoever wants it in a file. Where the browser does not let us, the editor has it all the same.
  void navigator.clipboard?.writeText(JSON.stringify(clip.value, null, 2)).catch(() => {});
}

export function pasted(kind: Clip["kind"]): unknown {
  const clip = queries.getQueryData<Clip>(KEY);
  return clip?.kind === kind ? clip.value : undefined;
}
