/** How the page is built: into the Python package, all of its style in one sheet, what every page needs in one file. */

import { readFileSync } from "node:fs";

import { defineConfig, type Plugin } from "vite";

/** Where the API runs during development: `oxcart dashboard` on some port. */
const api = process.env["OXCART_API"] ?? "http://127.0.0.1:8100";

const CORE = /node_modules\/(?!uplot)|\/src\/(?:ui|state|states|live|api|router|config|icons|keys)\.tsx?$|\/src\/lib\/(?:exact|format|time|copy)\.ts$|\/src\/components\/(?:open|Toast|Dialog|Empty|Sparkline|Visible)\.tsx?$/;

/** What most of the other pages need besides. */
const SHARED = /\/src\/(?:undo|forms)\.tsx?$|\/src\/lib\/(?:curl|pages|filter)\.ts$|\/src\/components\/(?:JsonTree|Trace|FormDialog|ApiCalls)\.tsx$|\/src\/pages\/choice\.tsx$|\/src\/list\/(?:chosen\.ts|export\.tsx)$/;

/** The licences of what is built in, which ask to go along with it. */
const licences: Plugin = {
  name: "licences",
  generateBundle() {
    const source = ["preact", "@preact/signals", "@preact/signals-core", "uplot"].map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`).join("\n\n");
    this.emitFile({ type: "asset", fileName: "licences.txt", source });
  },
};

export default defineConfig(({ command }) => ({
  base: command === "build" ? "./" : "/",
  plugins: [licences],
  oxc: { jsx: { runtime: "automatic" as const, importSource: "preact" } },
  server: { proxy: { "/api": { target: api, changeOrigin: true, headers: { origin: api } } } },
  build: {
    outDir: "../src/oxcart/dashboard/static",
    emptyOutDir: true,
    manifest: "manifest.json",
    // One style sheet for all pages: it is small, and a page that comes later must not flash.
    cssCodeSplit: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    sourcemap: false,
    rolldownOptions: {
      input: "src/main.tsx",
      output: {
        // What every page needs comes in one file, not in five: the first page is to take few requests. So does the rest.
        codeSplitting: { groups: [{ name: "core", test: CORE }, { name: "shared", test: SHARED }] },
      },
    },
  },
}));
