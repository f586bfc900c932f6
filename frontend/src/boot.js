// Before the first paint: the colours and the privacy that this browser was told to keep.
try {
  const root = document.documentElement;
  const theme = localStorage.getItem("sluiceway.theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (localStorage.getItem("sluiceway.private") === "yes") root.dataset.private = "yes";
} catch {
  // Storage is off: the system's colours, and amounts shown.
}
