/** What is looked for, and the rules and accounts to choose from. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useSearchParams } from "react-router";
import { api, ask } from "@/api/client";
import { useList } from "@/api/lists";
import { useOrganization } from "@/api/session";
import { useAccounts as useAllAccounts } from "../accounts/accounts";

type Option = readonly [value: string, word: string];

export function useRules(any = "Any rule") {
  const { now } = useOrganization();
  const rules = useList(["rules", "choices"], (cursor) =>
    ask(api.GET("/app/rules", { params: { query: { limit: 100, ...(cursor && { cursor }) } } })),
  );
  const found = rules.data ?? [];
  const options: Option[] = [
    ["", any],
    ...found.map((rule): Option => [rule.id, rule.name ?? "A rule without a name"]),
  ];
  return { options, now, isReady: rules.data !== undefined };
}

export function useAccounts(any = "Any account") {
  const found = useAllAccounts().data?.accounts ?? [];
  const options: Option[] = [["", any], ...found.map((account): Option => [account.id, account.name])];
  return { options, accounts: found };
}

/** What is looked for, kept in the address. */
export function useFilter() {
  const [filter, setFilter] = useSearchParams();
  const set = (name: string) => (value: string) =>
    setFilter(
      (before) => {
        if (value) before.set(name, value);
        else before.delete(name);
        before.delete("cursor");
        return before;
      },
      { replace: true },
    );
  return { of: (name: string) => filter.get(name) ?? "", set, isEmpty: filter.size === 0, clear: () => setFilter({}) };
}

type Page<T> = { data: T[]; nextCursor: string | null };

/** One page of a list, of which the cursor is in the address: a page costs the same however long the list is. */
export function usePage<T>(key: readonly unknown[], read: (cursor: string) => Promise<Page<T>>) {
  const cursor = useSearchParams()[0].get("cursor") ?? "";
  return useQuery({ queryKey: [...key, cursor], queryFn: () => read(cursor), placeholderData: keepPreviousData });
}
