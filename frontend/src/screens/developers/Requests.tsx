/** Requests to copy: what the screens show, asked for by a program. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "react-router";
import { answered, api, BASE } from "@/api/client";
import { Card, Loaded, Page, SelectField } from "@/parts";
import { CopyText } from "@/parts/CopyText";
import { DeveloperTabs } from "./Tabs";

const readSnippets = async () => (await answered(api.GET("/app/snippets"))).snippets;
const LANGUAGES = [
  ["curl", "curl"],
  ["python", "Python"],
  ["cli", "Command line, on the server"],
] as const;
type Language = (typeof LANGUAGES)[number][0];

export default function Requests() {
  const query = useQuery({ queryKey: ["rules", "snippets"], queryFn: readSnippets });
  const [language, setLanguage] = useState<Language>("curl");
  return (
    <Page
      title="Developers"
      intro="What these screens show, asked for by a program, with the names of what you have here."
    >
      <DeveloperTabs />
      <Card title="First, where and with which key">
        <div className="stack">
          <CopyText text={`export SLUICEWAY_URL=${location.origin}${BASE}\nexport SLUICEWAY_KEY=sk_...`} />
          <p className="soft">
            <Link to="/developers">Make a key</Link>; everything that the APIs can is in their{" "}
            <a href={`${BASE}/platform/v1/docs`}>reference</a>.
          </p>
        </div>
      </Card>
      <div className="fields">
        <SelectField
          label="Language"
          value={language}
          options={LANGUAGES}
          onValue={(value) => setLanguage(value as Language)}
        />
      </div>
      <Loaded query={query}>
        {(snippets) =>
          snippets.map((snippet) => {
            const text = snippet[language];
            return (
              text && (
                <Card key={snippet.title} title={snippet.title} actions={<Link to={snippet.screen}>The screen</Link>}>
                  <CopyText text={text.trimEnd()} />
                </Card>
              )
            );
          })
        }
      </Loaded>
    </Page>
  );
}
