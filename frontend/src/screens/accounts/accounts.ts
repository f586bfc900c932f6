/** What the screens of accounts read, and the keys under which live updates find it. */
import { useQuery } from "@tanstack/react-query";
import type { components } from "@/api/app";
import { answered, api, at } from "@/api/client";

type Shapes = components["schemas"];
export type Account = Shapes["AccountShown"];
export type AccountPage = Shapes["AccountPageShown"];
export type Movement = Shapes["MovementShown"];
export type Preview = Shapes["PreviewShown"];
export type RuleAround = Shapes["RuleAroundShown"];

export function useAccounts() {
  return useQuery({ queryKey: ["accounts"], queryFn: () => answered(api.GET("/app/accounts")) });
}

export function useAccount(id: string) {
  return useQuery({ queryKey: ["accounts", id], queryFn: () => answered(api.GET("/app/accounts/{id}", at(id))) });
}

/** A key of its own for something that must happen once; also where the page is not served over TLS. */
export function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
