// Where the server cannot be reached, pages say so. Nothing that it answers is kept here: no amount can be an old one.
const CACHE = "offline-1"; // Raise it when one of these files changes.
const PAGE = "./offline";
const FILES = [PAGE, "./offline.css", "./icon.svg"];

addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});
addEventListener("activate", (event) => {
  const forgotten = caches.keys().then((names) => names.filter((name) => name !== CACHE));
  event.waitUntil(forgotten.then((names) => Promise.all(names.map((name) => caches.delete(name)))));
});
addEventListener("fetch", (event) => {
  const { mode, url } = event.request;
  const isFile = FILES.slice(1).some((file) => new URL(file, location.href).href === url);
  if (mode !== "navigate" && !isFile) return;
  event.respondWith(fetch(event.request).catch(() => caches.match(isFile ? url : PAGE)));
});
