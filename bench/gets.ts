/**
 * `get` of an object of 1 GB on its own node: the time until its bytes can be read in place. Each view is let go before the
 * next, so that the collections that large buffers bring about are in the figure; the percentiles show a get without one.
 * Beside it the runtime alone: as large a mapping and its buffer, let go as well. V8 takes each one for a gigabyte
 * allocated, which no program can tell it otherwise, and collects every second time.
 *
 *   gets.ts      as a program, under whichever runtime: on a cluster of its own, prints its rows as JSON
 * @module
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { mapPrivate, spawnRuntime } from "#platform";
import type { RuntimeName } from "../runtime/common/task_spec.ts";
import { get, init, put, release, shutdown } from "../runtime/mod.ts";
import { check } from "./pools.ts";
import { type Contestant, type Measurement, missing, race, type Result } from "./timing.ts";

const GB = 1024 ** 3;
const MEASUREMENT: Measurement = { operations: 20, bytes: GB };

/** In this process, whose cluster has room for the object. */
async function measureGets(name: string): Promise<Result[]> {
  const ref = await put(new Uint8Array(GB).fill(1));
  const slice = async (operations: number, lap: () => void): Promise<void> => {
    for (let index = 0; index < operations; index++) {
      check((await get(ref)).length, GB);
      lap();
    }
  };
  const bare = bareMappings();
  const results = await race([{ name, slice }, bare], MEASUREMENT);
  bare.close();
  release(ref);
  return results;
}

/** Mappings of a file without bytes, one a turn of the event loop, as a get takes one at least. */
function bareMappings(): Contestant & { close(): void } {
  const folder = mkdtempSync(join(tmpdir(), "mobula-bench-"));
  const file = openSync(join(folder, "file"), "w+");
  rmSync(folder, { recursive: true });
  ftruncateSync(file, GB);
  return {
    name: "a bare mapping, and its buffer",
    slice: async (operations, lap) => {
      for (let index = 0; index < operations; index++) {
        const buffer = mapPrivate(file, 0, GB, () => undefined);
        if (buffer === null) throw new Error("nothing can be mapped here");
        check(new Uint8Array(buffer).length, GB);
        await setImmediate();
        lap();
      }
    },
    close: () => closeSync(file),
  };
}

/** In a driver of its own: what other measurements left to its collector would be in the figure. */
export async function measureGetsOf(name: string, runtime: RuntimeName): Promise<Result[]> {
  const child = spawnRuntime(runtime, fileURLToPath(import.meta.url), {
    stdio: ["ignore", "pipe", "inherit"],
    args: [name],
  });
  let text = "";
  child.stdout!.on("data", (chunk: Uint8Array) => text += String(chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) return [missing(name, `its program ended with ${String(code)}`)];
  return JSON.parse(text) as Result[];
}

if (import.meta.main) {
  await init({ numCpus: 1, objectStoreBytes: 1.5 * GB, dashboard: false, logToDriver: false });
  try {
    console.log(JSON.stringify(await measureGets(process.argv[2]!)));
  } finally {
    await shutdown();
  }
}
