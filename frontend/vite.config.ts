import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, gzipSync } from "node:zlib";
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

/** Lay a packed copy beside each file that gets smaller by it, for the server to choose from. */
function packed(folder: string): Plugin {
  return {
    name: "packed",
    apply: "build",
    closeBundle() {
      for (const name of readdirSync(folder).filter((each) => /\.(js|css|svg)$/.test(each))) {
        const body = readFileSync(`${folder}/${name}`);
        writeFileSync(`${folder}/${name}.gz`, gzipSync(body, { level: 9 }));
        writeFileSync(`${folder}/${name}.br`, brotliCompressSync(body));
      }
    },
  };
}

const STATIC = "../src/sluiceway/web/static";

// Paths are relative to the page; the server writes before them where the app is mounted (see index.html).
export default defineConfig({
  base: "./",
  plugins: [react(), boot(), packed(`${STATIC}/assets`)],
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  build: {
    outDir: STATIC,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    manifest: "manifest.json",
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    target: "es2022",
    rolldownOptions: {
      output: {
        // What nearly every screen is made of comes at once: on a slow network, ten small files take long.
        codeSplitting: {
          groups: [
            {
              name: "parts",
              test: /src\/parts\/(Page|Card|State|Table|Tabs|Fields|Dialog|Loaded|Money|When|icons|Says|CopyText)\.tsx$|src\/api\//,
            },
          ],
        },
      },
    },
  },
  server: { proxy: { "/app": process.env.SLUICEWAY ?? "http://127.0.0.1:8080" } },
  test: { environment: "happy-dom", include: ["src/**/*.test.{ts,tsx}"] },
});
