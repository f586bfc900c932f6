/** What the screens of rules ask of the server, and the names of what it answers. */
import { useQuery } from "@tanstack/react-query";
import { useParams } from "react-router";
import type { components } from "@/api/app";
import { answered, api, at } from "@/api/client";

type Schemas = components["schemas"];
export type Rule = Schemas["RuleShown"];
export type Listed = Schemas["RuleListed"];
export type Line = Schemas["RuleLine"];
export type Finding = Schemas["FindingShown"];
export type Oddity = Schemas["OddityShown"];
export type Change = Schemas["RuleChange"];
export type Tested = Schemas["TestedShown"];
export type Standing = Schemas["StandingShown"];
export type Checked = Schemas["CheckedShown"];
export type Tried = Schemas["Tried"];
export type Vocabulary = Schemas["VocabularyShown"];
export type Field = Schemas["FieldShown"];
export type Form = Schemas["FormShown"];
export type Account = Schemas["AccountChoice"];
export type Recipe = Schemas["RecipeShown"];
export type Definition = Record<string, unknown>;

/** The rule in the address. */
export function useRuleId(): string {
  return useParams().id ?? "";
}

export function useRule(id: string) {
  return useQuery({
    queryKey: ["rules", id],
    queryFn: () => answered(api.GET("/app/rules/{id}", at(id))),
    enabled: id !== "",
  });
}

export function useVocabulary() {
  return useQuery({
    queryKey: ["accounts", "vocabulary"],
    queryFn: () => answered(api.GET("/app/rule-vocabulary")),
    staleTime: 60_000,
  });
}
