/** Links that programs give people: /map/rules/ID?action=activateRule leads to the review, others to the map. */
import { Navigate, useSearchParams } from "react-router";
import { useRuleId } from "./api";

export default function MapRule() {
  const id = useRuleId();
  const [search] = useSearchParams();
  return <Navigate replace to={search.get("action") === "activateRule" ? `/rules/${id}/review` : `/map?rule=${id}`} />;
}
