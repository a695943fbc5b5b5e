/**
 * The page's files stay small: what a browser loads before it shows anything.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { ensureDashboardApp } from "../../dashboard/server/app_build.ts";

const BUNDLE_MAX = 120 * 1024;

test("D9 the bundle has at most 120 KB, compressed", async () => {
  const folder = await ensureDashboardApp();
  // What only reports have is loaded by no page.
  const sizes = readdirSync(folder).filter((name) => name !== "report_answers.js").map((name) =>
    [name, gzipSync(readFileSync(join(folder, name))).length] as const
  );
  expect(sizes.map(([name]) => name)).toContain("main.js");
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  expect(total, JSON.stringify(sizes)).toBeLessThanOrEqual(BUNDLE_MAX);
});
