import { Tabs } from "@/parts/Tabs";

const TABS = [
  ["/settings", "Organization"],
  ["/settings/people", "People"],
  ["/settings/security", "Security"],
] as const;

/** What is beside each other under settings. */
export function SettingsTabs() {
  return <Tabs label="Settings" tabs={TABS} />;
}
