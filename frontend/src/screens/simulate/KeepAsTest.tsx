/** Keep what was tried with its rule, as a test: expecting what came of it, or what somebody writes. */
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import type { components } from "@/api/app";
import { answered, api, at, type Refused } from "@/api/client";
import { useOrganization } from "@/api/session";
import { Form, SelectField, TextField } from "@/parts/Fields";
import { Card } from "@/parts/Page";
import { type Definition, useVocabulary } from "../rules/api";
import { FormFields } from "../rules/editor/FormFields";

type Expectation = components["schemas"]["Expectation"];
type Scenario = components["schemas"]["TryScenario"];
const BY = [
  ["", "What came of it now"],
  ["own", "What I write"],
] as const;

export function KeepAsTest({ ruleId, scenario, came }: { ruleId: string; scenario: Scenario; came: Expectation }) {
  const [name, setName] = useState("");
  const [own, setOwn] = useState<Definition | null>(null);
  const vocabulary = useVocabulary().data;
  const { currency } = useOrganization();
  const keep = useMutation<{ isPassed: boolean }, Refused>({
    mutationFn: () => {
      // The fields are the server's, and so is what it makes of them.
      const body = { name, scenario, expect: own as Expectation | null };
      return answered(api.POST("/app/rules/{id}/tests", { ...at(ruleId), body }));
    },
  });
  if (keep.data) {
    return (
      <p role="status">
        <Link to={`/rules/${ruleId}/tests`}>Kept as a test of the rule</Link>
        {!keep.data.isPassed && ". As the rule is now, it does not pass."}
      </p>
    );
  }
  const problem = (path: string) => keep.error?.of(path);
  return (
    <Card title="Keep it as a test of the rule">
      <Form error={keep.error} act="Keep as a test" isMinor isBusy={keep.isPending} onSend={() => keep.mutate()}>
        <p>
          It runs on every edit, always with the balances of now, and passes as long as what is expected comes of it.
        </p>
        <div className="fields">
          <TextField label="What it shows" value={name} onValue={setName} maxLength={100} required />
          <SelectField
            label="What is expected"
            value={own ? "own" : ""}
            onValue={(by) => setOwn(by ? { ...came } : null)}
            options={BY}
          />
        </div>
        {own && vocabulary && (
          <FormFields
            fields={vocabulary.expectation}
            value={own}
            path="expect"
            place={{ ...vocabulary, currency, problem }}
            onValue={setOwn}
          />
        )}
      </Form>
    </Card>
  );
}
