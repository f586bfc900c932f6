// Before anything else is there: the colours and the privacy that this browser was told to keep, and the first question.
try {
  const root = document.documentElement;
  const theme = localStorage.getItem("sluiceway.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (localStorage.getItem("sluiceway.private") === "yes") root.dataset.private = "yes";
} catch {
  // Storage is off: the system's colours, and amounts shown.
}
window.firstSession = fetch(`${document.querySelector("meta[name=base-path]").content}/app/session`).catch(() => null);
