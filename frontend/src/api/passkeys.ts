/** Passkeys: the server says what to ask the browser, the browser says what to tell the server. */
import { api, ask, Refused } from "./client";

type Json = Record<string, unknown>;

/** Whether this browser can make and show passkeys here. */
export const HAS_PASSKEYS = typeof PublicKeyCredential === "function" && window.isSecureContext;

const NOT_DONE = "No passkey was used. Nothing has changed; try again, or go on another way.";

function said(credential: Credential | null): Json {
  if (!credential) throw new Refused(0, "NO_PASSKEY", NOT_DONE);
  return (credential as PublicKeyCredential).toJSON() as Json;
}

async function quietly(credential: Promise<Credential | null>): Promise<Json> {
  // Whoever closes the browser's question has not done anything wrong, and it says no more than that.
  return said(await credential.catch(() => null));
}

/** Make a passkey as the server asks. */
export async function makePasskey(): Promise<Json> {
  const { data } = await ask(api.POST("/app/security/passkeys/options"));
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    data.options as unknown as PublicKeyCredentialCreationOptionsJSON,
  );
  return quietly(navigator.credentials.create({ publicKey }));
}

/** Let somebody choose a passkey: anybody, or one of whoever is signed in. */
export async function choosePasskey(whose: "anybody" | "yours"): Promise<Json> {
  const path = whose === "anybody" ? "/app/sign-in/passkey/options" : "/app/reauthenticate/options";
  const { data } = await ask(api.POST(path));
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    data.options as unknown as PublicKeyCredentialRequestOptionsJSON,
  );
  return quietly(navigator.credentials.get({ publicKey }));
}
