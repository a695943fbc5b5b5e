/**
 * Programs that tests need and npm's dependencies do not bring: sqld (a libSQL server) and Chromium. `npm test` sets them
 * up where it can (scripts/toolchain.mjs) and leaves a note where it could not, so that a skipped test can say why.
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, ".toolchain");

/** The libSQL server's binary, or null: see skipReason. */
export function sqldPath(): string | null {
  const name = `${process.platform}-${process.arch}`;
  const candidates = [
    process.env.MOBULA_SQLD,
    join(folder, "node_modules", "@sqld", name, "sqld"),
  ];
  return candidates.find((path) => path !== undefined && existsSync(path)) ?? null;
}

/** A Chromium for page tests, or null: see skipReason. */
export function chromiumPath(): string | null {
  const candidates = [process.env.MOBULA_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"];
  return candidates.find((path) => path !== undefined && existsSync(path)) ?? null;
}

/** Why a test that needs this program cannot run, or null when it can. For test/support/skip.ts. */
export function skipReason(program: "sqld" | "chromium"): string | null {
  if ((program === "sqld" ? sqldPath() : chromiumPath()) !== null) return null;
  const note = join(folder, `${program}.missing`);
  if (existsSync(note)) return readFileSync(note, "utf8").trim();
  return `${program} is not installed; \`npm test\` sets it up`;
}
