/** What the three ways of trying share: their tabs, and which rule or draft is tried. */
import type { ReactNode } from "react";
import { useLocation } from "react-router";
import { SelectField } from "@/parts/Fields";
import { Page } from "@/parts/Page";
import { Tabs } from "@/parts/Tabs";
import { useFilter, useRules } from "../runs/choices";

const TABS = [
  ["/simulate", "Scenario"],
  ["/simulate/backtest", "The days behind"],
  ["/simulate/forecast", "The days ahead"],
] as const;

export function Trying({ title, intro, children }: { title: string; intro: string; children: ReactNode }) {
  return (
    <Page title={title} intro={intro}>
      <Tabs label="Ways to try" tabs={TABS} />
      {children}
    </Page>
  );
}

/** The rule that is tried: chosen, or a draft that the editor has sent along. */
export function useTried() {
  const filter = useFilter();
  const rules = useRules("Choose a rule");
  const draft = (useLocation().state as { draft?: Record<string, never> } | null)?.draft;
  const ruleId = filter.of("rule");
  return {
    body: { ...(ruleId && { ruleId }), ...(draft && { rule: draft }) },
    isReady: Boolean(ruleId || draft),
    field: (
      <SelectField
        label={draft ? "Your draft stands for" : "Rule"}
        value={ruleId}
        onValue={filter.set("rule")}
        options={draft ? [["", "a new rule"], ...rules.options.slice(1)] : rules.options}
      />
    ),
  };
}
