/** Every version of a rule: what each changed, and who enabled it. */
import { api, ask, of } from "@/api/client";
import { useList } from "@/api/lists";
import { Card, Loaded, More, Page, When } from "@/parts";
import { useRule, useRuleId } from "./api";
import { RuleTabs } from "./RuleDetail";
import { Changes } from "./Told";

export default function RuleHistory() {
  const id = useRuleId();
  const rule = useRule(id);
  const list = useList(["rules", id, "versions"], (cursor) =>
    ask(api.GET("/app/rules/{id}/versions", of(id, cursor ? { cursor } : {}))),
  );
  return (
    <Page title={rule.data?.name ?? "Versions"} intro="Versions are never changed and never deleted.">
      <RuleTabs id={id} />
      <Loaded query={list}>
        {(versions) => (
          <>
            {versions.map((version) => (
              <Card
                key={version.revision}
                title={`Version ${version.revision}`}
                actions={<When at={version.createdAt} exact />}
              >
                <div className="stack">
                  <p>{version.sentence}</p>
                  {version.changes.length > 0 && <Changes changes={version.changes} />}
                  {version.signatures.map((signature) => (
                    <p key={signature.at} className="soft">
                      Enabled by {signature.by}, <When at={signature.at} exact />
                      {signature.endedAt && (
                        <>
                          {" "}
                          until <When at={signature.endedAt} exact />
                        </>
                      )}
                    </p>
                  ))}
                  {version.signatures.length === 0 && <p className="soft">Never enabled</p>}
                </div>
              </Card>
            ))}
            <More list={list} />
          </>
        )}
      </Loaded>
    </Page>
  );
}
