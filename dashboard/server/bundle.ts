/**
 * A program of its own, run by Bun whatever the head runs on: bundles the page. Arguments: the folder for the result, then
 * the entries (the page, and each worker that it starts). It says on stderr what is wrong with the sources and exits with 1.
 * @module
 */
import process from "node:process";

/** What is used of Bun's bundler (https://bun.sh/docs/bundler). */
declare const Bun: {
  build(options: {
    entrypoints: string[];
    outdir: string;
    /** Entries lie in the result's folder itself, wherever their sources stand. */
    naming: { entry: string };
    target: "browser";
    minify: boolean;
    define: Record<string, string>;
    throw: boolean;
  }): Promise<{ success: boolean; logs: unknown[] }>;
};

const [outdir, ...entrypoints] = process.argv.slice(2);
if (outdir === undefined || entrypoints.length === 0) throw new TypeError("usage: bundle.ts OUTDIR ENTRY…");
const result = await Bun.build({
  entrypoints,
  outdir,
  naming: { entry: "[name].[ext]" },
  target: "browser",
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
  throw: false,
});
for (const log of result.logs) console.error(String(log));
process.exit(result.success ? 0 : 1);
