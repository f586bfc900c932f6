/**
 * What somebody is writing: it stays while the page does, and sealed in this browser, so that loading the page anew does
 * not lose it. Its key comes with their session, and it goes when that ends.
 */
import { type QueryKey, useQuery } from "@tanstack/react-query";
import { KEPT_AT, queries, useSession } from "@/api/session";

/** What begins the key of every query that is kept: drafts, and what was copied. */
export const KEPT = "kept";
const IV_BYTES = 12;
const SETTLES_MS = 200;

queries.setQueryDefaults([KEPT], { gcTime: Number.POSITIVE_INFINITY });

/** Bring back what was kept before the page was loaded anew. Without a key, or TLS, it stays while the page does. */
export function useKept() {
  const draftsKey = useSession().data?.draftsKey;
  return useQuery({
    queryKey: ["kept-since", draftsKey],
    queryFn: () => restore(draftsKey),
    staleTime: "static",
    gcTime: Number.POSITIVE_INFINITY,
  });
}

let stopKeeping: (() => void) | undefined;

async function restore(draftsKey: string | null | undefined): Promise<true> {
  stopKeeping?.();
  if (!draftsKey || !crypto.subtle) return true;
  const key = await crypto.subtle.importKey("raw", bytesOf(draftsKey), "AES-GCM", false, ["encrypt", "decrypt"]);
  try {
    const sealed = bytesOf(localStorage.getItem(KEPT_AT) ?? "");
    const iv = sealed.subarray(0, IV_BYTES);
    const plain = await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed.subarray(IV_BYTES));
    for (const [name, value] of JSON.parse(new TextDecoder().decode(plain)) as [QueryKey, unknown][])
      queries.setQueryData(name, value);
  } catch {
    localStorage.removeItem(KEPT_AT);
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  stopKeeping = queries.getQueryCache().subscribe(({ query }) => {
    if (query.queryKey[0] !== KEPT) return;
    clearTimeout(timer);
    timer = setTimeout(() => void seal(key), SETTLES_MS);
  });
  return true;
}

const written = () => JSON.stringify(queries.getQueriesData({ queryKey: [KEPT] }));

async function seal(key: CryptoKey): Promise<void> {
  const text = written();
  if (text === "[]") return localStorage.removeItem(KEPT_AT);
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(text));
  // What has gone meanwhile is not brought back.
  if (text === written()) localStorage.setItem(KEPT_AT, textOf(new Uint8Array([...iv, ...new Uint8Array(sealed)])));
}

const bytesOf = (text: string) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const textOf = (bytes: Uint8Array) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
