/**
 * `mobula bench`: what this cluster does for this machine, in a few seconds: tasks and actor calls one at a time and in
 * flight, values that are put and got.
 * @module
 */
import { byteText } from "../common/byte_text.ts";
import { get, init, type ObjectRef, put, remote, shutdown } from "../mod.ts";
import { destinationOf } from "./head_client.ts";
import { print, printJson, table } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

/** Calls under way at once, where many are. */
const IN_FLIGHT = 1_000;
const SMALL_BYTES = 1_000;
const LARGE_BYTES = 64 * 1024 * 1024;

interface Result {
  readonly name: string;
  readonly perSecond: number;
  readonly unit: "tasks" | "calls" | "values" | "bytes";
}

export const benchCommand: CommandDefinition = {
  name: "bench",
  summary: "measure the cluster: tasks, actor calls, put and get",
  flags: {
    ...COMMON_FLAGS,
    seconds: { type: "string", value: "N", help: "for each measurement; default 1" },
  },
  examples: [
    ["mobula bench", "some eight seconds on the cluster that runs here; other work makes it slower"],
    ["mobula bench --seconds 5 --json", "for scripts"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const seconds = flags.number("seconds", 0.05) ?? 1;
  const { address, token } = destinationOf(flags);
  await init({ address, token, dashboard: false, logToDriver: false });
  try {
    const results: Result[] = [];
    for (const [name, unit, measure] of MEASUREMENTS) {
      const perSecond = await measure(seconds * 1_000);
      results.push({ name, perSecond, unit });
      if (!flags.isSet("json") && process.stderr.isTTY === true) process.stderr.write(`\r${name}\x1b[K`);
    }
    if (flags.isSet("json")) printJson({ seconds, results });
    else {
      if (process.stderr.isTTY === true) process.stderr.write("\r\x1b[K");
      print(table(["WHAT", "PER SECOND"], results.map((one) => [one.name, quantity(one)])));
    }
    return 0;
  } finally {
    await shutdown();
  }
}

function quantity({ perSecond, unit }: Result): string {
  if (unit === "bytes") return `${byteText(perSecond)}/s`;
  return String(perSecond >= 100 ? Math.round(perSecond) : Math.round(perSecond * 10) / 10);
}

type Measurement = readonly [name: string, unit: Result["unit"], (ms: number) => Promise<number>];

const MEASUREMENTS: readonly Measurement[] = [
  ["tasks one at a time", "tasks", async (ms) => {
    const same = remote((x: number) => x);
    await get(same.remote(0));
    return await repeat(ms, 1, async (i) => void await get(same.remote(i)));
  }],
  [`tasks, ${IN_FLIGHT} in flight`, "tasks", async (ms) => {
    const same = remote((x: number) => x);
    const burst = async () => void await get(Array.from({ length: IN_FLIGHT }, (_, i) => same.remote(i)));
    await burst();
    return await repeat(ms, IN_FLIGHT, burst);
  }],
  [
    "actor calls one at a time",
    "calls",
    (ms) => withActor(async (call) => await repeat(ms, 1, async () => void await get(call()))),
  ],
  [
    `actor calls, ${IN_FLIGHT} in flight`,
    "calls",
    (ms) =>
      withActor(async (call) =>
        await repeat(ms, IN_FLIGHT, async () => void await get(Array.from({ length: IN_FLIGHT }, call)))
      ),
  ],
  [`put and get of ${byteText(SMALL_BYTES)}`, "values", async (ms) => {
    const value = new Uint8Array(SMALL_BYTES);
    return await repeat(ms, 1, async () => {
      const ref = await put(value);
      await get(ref);
      ref.release();
    });
  }],
  [`put of ${byteText(LARGE_BYTES)}`, "bytes", async (ms) => {
    const value = new Uint8Array(LARGE_BYTES).fill(1);
    return await repeat(ms, LARGE_BYTES, async () => (await put(value)).release());
  }],
  [`get of ${byteText(LARGE_BYTES)}`, "bytes", async (ms) => {
    const ref = await put(new Uint8Array(LARGE_BYTES).fill(1));
    const rate = await repeat(ms, LARGE_BYTES, async () => {
      // A value that nobody looks at has not been got.
      if ((await get(ref))[LARGE_BYTES - 1] !== 1) throw new Error("get gave other bytes than were put");
    });
    ref.release();
    return rate;
  }],
];

class Counter {
  #count = 0;
  increment(): number {
    return ++this.#count;
  }
}

async function withActor(measure: (call: () => ObjectRef<number>) => Promise<number>): Promise<number> {
  using own = remote(Counter).remote();
  await get(own.increment.remote());
  return await measure(() => own.increment.remote());
}

/** Units a second, over at least `ms` and one time. */
async function repeat(ms: number, units: number, act: (i: number) => Promise<void>): Promise<number> {
  const startMs = performance.now();
  let times = 0;
  do await act(times++); while (performance.now() - startMs < ms);
  return times * units * 1_000 / (performance.now() - startMs);
}
