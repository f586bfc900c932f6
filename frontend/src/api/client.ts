/** The app's own API, typed from its OpenAPI document. What a person has to do first (sign in, show again who they are) happens here. */
import createClient from "openapi-fetch";
import type { paths } from "./app";

/** Where the app is mounted: "" or a path such as "/money". */
export const BASE = document.querySelector<HTMLMetaElement>("meta[name=base-path]")?.content ?? "";

export type Problem = { path: string; code: string; message: string };

/** What the server would not do, in its own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly errors: readonly Problem[] = [],
    readonly requestId = "",
  ) {
    super(message);
  }

  /** What is said of a field, by its path. */
  of(path: string): string | undefined {
    return this.errors.find((error) => error.path === path)?.message;
  }
}

type Asked = { onSignedOut: () => void; reauthenticate: () => Promise<boolean> };
const asked: Asked = { onSignedOut: () => {}, reauthenticate: async () => false };

/** Say what to do when the server wants to know who is there. */
export function whenAsked(answers: Partial<Asked>): void {
  Object.assign(asked, answers);
}

function refused(status: number, body: unknown): Refused {
  const { error, requestId } = (body ?? {}) as { error?: Partial<Refused>; requestId?: string };
  const message =
    error?.message ?? "The server did not answer as it should. Look again before you repeat what you did.";
  return new Refused(status, error?.code ?? "", message, error?.errors ?? [], requestId ?? "");
}

async function send(request: Request): Promise<Response> {
  const again = request.clone();
  const response = await fetch(request);
  if (response.status === 401) asked.onSignedOut();
  if (response.status !== 403) return response;
  const { code } = refused(
    403,
    await response
      .clone()
      .json()
      .catch(() => null),
  );
  return code === "REAUTHENTICATION_REQUIRED" && (await asked.reauthenticate()) ? fetch(again) : response;
}

export const api = createClient<paths>({
  baseUrl: location.origin + BASE,
  headers: { "X-Requested-By": "sluiceway" },
  fetch: send,
});

type Given<T> = { data?: T; error?: unknown; response: Response };

/** Wait for an answer and give its body, or throw what the server refused. */
export async function ask<T>(answer: Promise<Given<T>>): Promise<T> {
  let given: Given<T>;
  try {
    given = await answer;
  } catch {
    throw new Refused(0, "UNREACHABLE", "The server cannot be reached. Look again before you repeat what you did.");
  }
  if (!given.response.ok) throw refused(given.response.status, given.error);
  return given.data as T;
}

/** What an answer is about. */
export const answered = async <T>(answer: Promise<Given<{ data: T }>>): Promise<T> => (await ask(answer)).data;

/** The thing that a path names; `of` it, where only some is asked for. */
export const at = (id: string) => ({ params: { path: { id } } });
export const of = <Q>(id: string, query: Q) => ({ params: { path: { id }, query } });
