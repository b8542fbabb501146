import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { defineConfig, type Plugin } from "vite";

const RELAY = process.env["TAILCAST_URL"] ?? "http://127.0.0.1:8700";
const COMPRESSED = /\.(js|css|html|svg|json|txt)$/;
const MIN_BYTES = 1024; // smaller ones gain nothing

/** Loaded when it is wanted, with what it needs. */
const HEAVY = /\/src\/ui\/(markdown|math|code-block|languages)/;

/** What all views share comes in one file, and not in a dozen of some hundred bytes. */
function chunkOf(id: string): string | undefined {
  return !HEAVY.test(id) && /\/node_modules\/lucide-react\/|\/src\/(ui|text|model)\//.test(id) ? "base" : undefined;
}

/** Each file a second and third time, as `.gz` and `.br`: the relay compresses nothing while it serves. */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    writeBundle({ dir }) {
      if (dir === undefined) return;
      for (const name of readdirSync(dir, { recursive: true, encoding: "utf8" })) {
        const path = join(dir, name);
        if (!COMPRESSED.test(name) || statSync(path).size < MIN_BYTES) continue;
        const content = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(content, { level: 9 }));
        const params = { [constants.BROTLI_PARAM_SIZE_HINT]: content.length };
        writeFileSync(`${path}.br`, brotliCompressSync(content, { params }));
      }
    },
  };
}

export default defineConfig({
  base: "./", // the relay writes its --root-path into index.html; all else is found beside the file that wants it
  esbuild: { jsx: "automatic" },
  plugins: [compressed()],
  build: {
    target: "es2022",
    outDir: "dist",
    assetsInlineLimit: 0, // the page's policy allows what comes from its own origin, and no data: scripts or fonts
    modulePreload: { polyfill: false },
    cssCodeSplit: false, // one sheet of some 15 KB sooner than ten that each cost a request
    reportCompressedSize: false,
    rollupOptions: {
      output: { manualChunks: chunkOf },
      onwarn(warning, warn) {
        // "use client" is for servers that render; libraries carry it.
        if (warning.code !== "MODULE_LEVEL_DIRECTIVE") warn(warning);
      },
    },
  },
  worker: { format: "es" },
  server: {
    // The relay compares `Origin` with `Host`, so the browser's own `Host` has to reach it.
    proxy: {
      "/api": { target: RELAY, changeOrigin: false, ws: true },
      "/healthz": { target: RELAY, changeOrigin: false },
    },
  },
});
