/**
 * A program of its own, run by Bun whatever the head runs on: bundles the page. Arguments: the entry, the folder for the
 * result. It says on stderr what is wrong with the sources and exits with 1.
 * @module
 */
import process from "node:process";

/** What is used of Bun's bundler (https://bun.sh/docs/bundler). */
declare const Bun: {
  build(options: {
    entrypoints: string[];
    outdir: string;
    target: "browser";
    minify: boolean;
    define: Record<string, string>;
    throw: boolean;
  }): Promise<{ success: boolean; logs: unknown[] }>;
};

const [entry, outdir] = process.argv.slice(2);
if (entry === undefined || outdir === undefined) throw new TypeError("usage: bundle.ts ENTRY OUTDIR");
const result = await Bun.build({
  entrypoints: [entry],
  outdir,
  target: "browser",
  minify: true,
  define: { "process.env.NODE_ENV": '"production"' },
  throw: false,
});
for (const log of result.logs) console.error(String(log));
process.exit(result.success ? 0 : 1);
