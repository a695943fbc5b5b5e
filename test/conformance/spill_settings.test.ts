/** Settings of spilling that cannot be meant. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { init, put, shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";

const leftovers = watchLeftovers();
const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
  await leftovers.check();
});

test("OBJ-19 a folder for spilled objects that cannot be made is an error at start that names it", async () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  const wrong = join(file, "spill");
  process.env.MOBULA_SPILL_DIR = wrong;
  try {
    const error = await rejection(init({ numCpus: 1, dashboard: false, objectStoreBytes: 16 << 20 }));
    expect(error.message).toContain("MOBULA_SPILL_DIR");
    expect(error.message).toContain(wrong);
  } finally {
    delete process.env.MOBULA_SPILL_DIR;
  }
  // Nothing of it stands in the way of the next.
  await init({ numCpus: 1, dashboard: false, objectStoreBytes: 16 << 20 });
  using ref = await put(1);
  expect(ref.id).toBeString();
});
