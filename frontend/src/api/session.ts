/** Who is signed in, where, and what time it is there. */
import { QueryClient, useQuery } from "@tanstack/react-query";
import { api, ask, Refused } from "./client";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (count, error) => count < 2 && error instanceof Refused && (error.status === 0 || error.status >= 500),
    },
  },
});

/** Where in this browser a page keeps, sealed, what somebody is writing, for as long as their session lasts. */
export const KEPT_AT = "sluiceway-kept";

const askSession = async () => (await ask(api.GET("/app/session"))).data;
export type Session = Awaited<ReturnType<typeof askSession>>;

/** Who is there was asked by boot.js, while this was still being loaded; from then on it is asked here. */
async function readSession(): Promise<Session> {
  const { firstSession } = window;
  delete window.firstSession;
  const early = await firstSession;
  return early?.ok ? ((await early.json()) as { data: Session }).data : askSession();
}

declare global {
  interface Window {
    firstSession?: Promise<Response | null>;
  }
}
export const SESSION = ["session"];

export function useSession() {
  return useQuery({ queryKey: SESSION, queryFn: readSession, staleTime: 60_000 });
}

/** Take a session over that an answer brought along. What somebody else has seen before is not for who comes then. */
export function keepSession(session: Session): void {
  // What boot.js was told is older than this, where nobody has asked for it yet: of an invitation's page, that nobody is there.
  delete window.firstSession;
  const before = queries.getQueryData<Session>(SESSION);
  if (before?.person?.id !== session.person?.id) forgetRest();
  queries.setQueryData(SESSION, session);
}

function forgetRest(): void {
  localStorage.removeItem(KEPT_AT);
  queries.removeQueries({ predicate: (query) => query.queryKey[0] !== SESSION[0] });
}

/** Forget what was seen of an organization, and ask again who is there. */
export function forgetAll(): void {
  forgetRest();
  void queries.invalidateQueries({ queryKey: SESSION });
}

/** The organization that this page is about. Only below the signed-in part of the app. */
export function useOrganization(): NonNullable<Session["organization"]> {
  const organization = useSession().data?.organization;
  if (!organization) throw new Error("No organization here");
  return organization;
}

/** Who is signed in. Only below the signed-in part of the app. */
export function usePerson(): NonNullable<Session["person"]> {
  const person = useSession().data?.person;
  if (!person) throw new Error("Nobody is signed in here");
  return person;
}
