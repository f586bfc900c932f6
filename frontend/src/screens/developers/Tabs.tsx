import { usePerson } from "@/api/session";
import { Tabs } from "@/parts/Tabs";

const TABS = [
  ["/developers", "API keys"],
  ["/developers/webhooks", "Webhooks"],
  ["/developers/requests", "Requests"],
] as const;
const LOG = ["/developers/audit-log", "Audit log"] as const;

/** What is beside each other for developers. */
export function DeveloperTabs() {
  return <Tabs label="Developers" tabs={usePerson().role === "ADMIN" ? [...TABS, LOG] : TABS} />;
}
