/** What this browser was told to keep: colours, privacy, single-key shortcuts. */
import { useSyncExternalStore } from "react";

type Preference = "theme" | "private" | "shortcuts";
const listeners = new Set<() => void>();

function read(name: Preference): string {
  try {
    return localStorage.getItem(`sluiceway.${name}`) ?? "";
  } catch {
    return "";
  }
}

/** Keep a preference, and show it at once; "" is the default. */
export function keep(name: Preference, value: string): void {
  try {
    if (value) localStorage.setItem(`sluiceway.${name}`, value);
    else localStorage.removeItem(`sluiceway.${name}`);
  } catch {
    // Storage is off: it holds until the page is left.
  }
  if (name !== "shortcuts") {
    if (value) document.documentElement.dataset[name] = value;
    else delete document.documentElement.dataset[name];
  }
  for (const listener of listeners) listener();
}

export function usePreference(name: Preference): string {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => read(name),
  );
}
