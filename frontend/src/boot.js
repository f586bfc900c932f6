// Before anything else is there: the colours and the privacy that this browser was told to keep, and the first question.
try {
  const root = document.documentElement;
  const theme = localStorage.getItem("sluiceway.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (localStorage.getItem("sluiceway.private") === "yes") root.dataset.private = "yes";
} catch {
  // Storage is off: the system's colours, and amounts shown.
}
const base = document.querySelector("meta[name=base-path]").content;
window.firstSession = fetch(`${base}/app/session`).catch(() => null);
// Once the page is there: what says that it is not live, while the server cannot be reached. Only over TLS, or at localhost.
addEventListener("load", () => {
  const worker = `${base}/sw.js`;
  const policy = window.trustedTypes?.createPolicy("offline", { createScriptURL: () => worker });
  navigator.serviceWorker?.register(policy?.createScriptURL("") ?? worker).catch(() => null);
});
