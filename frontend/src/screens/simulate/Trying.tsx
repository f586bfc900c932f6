/** What the three ways of trying share: their tabs, and which rule or draft is tried. */
import type { ReactNode } from "react";
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

/** The rule that is tried. */
export function useTried() {
  const filter = useFilter();
  const rules = useRules("Choose a rule");
  const ruleId = filter.of("rule");
  return {
    body: { ...(ruleId && { ruleId }) },
    isReady: Boolean(ruleId),
    field: <SelectField label="Rule" value={ruleId} onValue={filter.set("rule")} options={rules.options} />,
  };
}
