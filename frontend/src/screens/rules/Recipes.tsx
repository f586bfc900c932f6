/** Recipes: rules that many people want, with a few things to fill in. What comes out is a rule like any other. */
import { useMutation, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { answered, api, ask, type Refused } from "@/api/client";
import { queries, useOrganization, usePerson } from "@/api/session";
import { Button, Card, Empty, ErrorSummary, Form, Loaded, Page, say } from "@/parts";
import type { Definition, Recipe } from "./api";
import { blank } from "./editor/draft";
import { FormFields, type Place } from "./editor/FormFields";
import styles from "./rules.module.css";
import { Oddities, Rehearsal, Says } from "./Told";

const readRecipes = () => answered(api.GET("/app/recipes"));
type All = Awaited<ReturnType<typeof readRecipes>>;

export default function Recipes() {
  const [search] = useSearchParams();
  const recipes = useQuery({ queryKey: ["accounts", "recipes"], queryFn: readRecipes, staleTime: 60_000 });
  return (
    <Loaded query={recipes}>
      {(all) => {
        const chosen = all.recipes.find((each) => each.key === search.get("recipe"));
        return chosen ? <One key={chosen.key} recipe={chosen} all={all} /> : <List recipes={all.recipes} />;
      }}
    </Loaded>
  );
}

function List({ recipes }: { recipes: readonly Recipe[] }) {
  return (
    <Page
      title="Recipes"
      intro="Tried ways to route money. Fill in the blanks, see what would happen, and make it yours."
    >
      <ul className={styles.recipes}>
        {recipes.map((recipe) => (
          <li key={recipe.key} className="card">
            <h2>{recipe.title}</h2>
            <p className="soft">{recipe.summary}</p>
            <Link to={`/recipes?recipe=${recipe.key}`} className="button" aria-label={`Use this: ${recipe.title}`}>
              Use this
            </Link>
          </li>
        ))}
      </ul>
    </Page>
  );
}

function One({ recipe, all }: { recipe: Recipe; all: All }) {
  const { currency } = useOrganization();
  const mayWrite = usePerson().role !== "VIEWER";
  const [answers, setAnswers] = useState<Definition>(() => blank(recipe.fields));
  const navigate = useNavigate();
  const prepare = useMutation({
    mutationFn: () => answered(api.POST("/app/recipes/prepare", { body: { recipe: recipe.key, answers } })),
  });
  const take = useMutation<void, Refused, Definition>({
    mutationFn: async (definition) => {
      const { data } = await ask(api.POST("/app/rules", { body: { definition } }));
      say("It is yours now: a rule like any other, and off.");
      void queries.invalidateQueries({ queryKey: ["rules"] });
      await navigate(`/rules/${data.id}/edit`);
    },
  });
  const refused = prepare.error as Refused | null;
  const place: Place = { ...all, currency, problem: (path) => refused?.of?.(path) };
  const made = prepare.data;
  return (
    <Page
      title={recipe.title}
      intro={recipe.summary}
      actions={
        <Link to="/recipes" className="button">
          All recipes
        </Link>
      }
    >
      <div className="columns">
        <Card title="Fill in">
          <Form
            error={refused}
            act={mayWrite && "See what it does"}
            isMinor={Boolean(made)}
            isBusy={prepare.isPending}
            noValidate
            onSend={() => prepare.mutate()}
          >
            <div className="fields">
              <FormFields
                fields={recipe.fields}
                value={answers}
                path=""
                place={place}
                onValue={(changed) => {
                  setAnswers(changed);
                  prepare.reset();
                }}
              />
            </div>
            {!mayWrite && <p className="soft">A viewer can look at recipes, and not use them.</p>}
          </Form>
        </Card>
        <Card title="What it does">
          {made ? (
            <div className="stack">
              <p className={styles.sentence}>{made.checked.sentence}</p>
              <Oddities oddities={made.checked.oddities} />
              {made.checked.findings.map((finding) => (
                <Says key={finding.path + finding.code} finding={finding} />
              ))}
              {made.tried ? (
                <Rehearsal tried={made.tried} />
              ) : (
                <p className="soft">What it would do now cannot be told: no money has arrived there yet.</p>
              )}
              <ErrorSummary error={take.error} />
              <div>
                <Button
                  act="Take control"
                  look="primary"
                  disabled={!made.checked.canBeSaved || take.isPending}
                  onClick={() => take.mutate(made.definition)}
                />
              </div>
              <p className="soft small">It becomes a rule that you can edit. It is off until it has been reviewed.</p>
            </div>
          ) : (
            <Empty icon="recipes" title="Nothing yet">
              Fill in the blanks, and the rule is here in words, with what it would do.
            </Empty>
          )}
        </Card>
      </div>
    </Page>
  );
}
