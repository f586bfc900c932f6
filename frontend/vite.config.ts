import { readFileSync } from "node:fs";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Put what must happen before the first paint into a script of its own: the page has none inside, so that it may be forbidden. */
function boot(): Plugin {
  return {
    name: "boot",
    apply: "build",
    transformIndexHtml: {
      order: "post",
      handler(html, { bundle }) {
        const file = Object.keys(bundle ?? {}).find((name) => name.startsWith("assets/boot-"));
        return html.replace("<!-- boot -->", `<script src="./${file}"></script>`);
      },
    },
    buildStart() {
      this.emitFile({ type: "asset", name: "boot.js", source: readFileSync("src/boot.js", "utf8") });
    },
  };
}

// Paths are relative to the page; the server writes before them where the app is mounted (see index.html).
export default defineConfig({
  base: "./",
  plugins: [react(), boot()],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: {
    outDir: "../src/sluiceway/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
  },
  server: { proxy: { "/app": process.env.SLUICEWAY ?? "http://127.0.0.1:8080" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
