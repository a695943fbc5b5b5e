/**
 * `get` of an object of 1 GB on its own node: the time until its bytes can be read in place. Each view is let go before the
 * next, so that the collections that large buffers bring about are in the figure; the percentiles show a get without one.
 *
 *   gets.ts      as a program, under whichever runtime: on a cluster of its own, prints its row as JSON
 * @module
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { spawnRuntime } from "#platform";
import type { RuntimeName } from "../runtime/common/task_spec.ts";
import { get, init, put, release, shutdown } from "../runtime/mod.ts";
import { check } from "./pools.ts";
import { type Measurement, missing, race, type Result } from "./timing.ts";

const GB = 1024 ** 3;
const MEASUREMENT: Measurement = { operations: 20, bytes: GB };

/** In this process, whose cluster has room for the object. */
async function measureGets(name: string): Promise<Result> {
  const ref = await put(new Uint8Array(GB).fill(1));
  const slice = async (operations: number, lap: () => void): Promise<void> => {
    for (let index = 0; index < operations; index++) {
      check((await get(ref)).length, GB);
      lap();
    }
  };
  const [result] = await race([{ name, slice }], MEASUREMENT);
  release(ref);
  return result!;
}

/** In a driver of its own: what other measurements left to its collector would be in the figure. */
export async function measureGetsOf(name: string, runtime: RuntimeName): Promise<Result> {
  const child = spawnRuntime(runtime, fileURLToPath(import.meta.url), {
    stdio: ["ignore", "pipe", "inherit"],
    args: [name],
  });
  let text = "";
  child.stdout!.on("data", (chunk: Uint8Array) => text += String(chunk));
  const code = await new Promise((resolve) => child.once("close", resolve));
  if (code !== 0) return missing(name, `its program ended with ${String(code)}`);
  return JSON.parse(text) as Result;
}

if (import.meta.main) {
  await init({ numCpus: 1, objectStoreBytes: 1.5 * GB, dashboard: false, logToDriver: false });
  try {
    console.log(JSON.stringify(await measureGets(process.argv[2]!)));
  } finally {
    await shutdown();
  }
}
