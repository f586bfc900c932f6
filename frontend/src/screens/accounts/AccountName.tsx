/** What an account is called, leading to it where there is one to look at. */
import { Link } from "react-router";
import type { components } from "@/api/app";

export function AccountName({ account }: { account: components["schemas"]["AccountEnd"] }) {
  return account.id ? <Link to={`/accounts/${account.id}`}>{account.name}</Link> : account.name;
}
