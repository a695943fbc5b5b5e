/**
 * A driver of a running cluster (MOBULA_ADDRESS, MOBULA_TOKEN) with work everywhere that never ends: actors, tasks, children of
 * both at the node that has `far`, and one detached actor. Prints the pids of all that runs as a line of JSON, {ending,
 * lasting}, and then ends cleanly, or, with "stay", never.
 */
import { get, type HandleOf, init, ready, remote, shutdown } from "mobula";
import { Tally } from "../../support/actors.ts";

const [how = "", slots = "1", runtime = "bun"] = process.argv.slice(2);
await init({ namespace: "fate", runtimeEnv: { runtime: runtime as "bun" } });

/** Runs for ever beside a child that does; both tell their pids. */
const parent = remote(
  async (tally: HandleOf<typeof Tally>) => {
    const { get, remote } = await import("mobula");
    const child = remote(async (tally: HandleOf<typeof Tally>) => {
      const { get } = await import("mobula");
      await get(tally.add.remote(process.pid));
      await new Promise(() => setInterval(() => {}, 1_000));
    }, { numCpus: 0, resources: { far: 1 } });
    child.remote(tally);
    await get(tally.add.remote(process.pid));
    await new Promise(() => setInterval(() => {}, 1_000));
  },
  { numCpus: 0, resources: { slot: 1 } },
);
const Holder = remote(
  class Holder {
    pid(): number {
      return process.pid;
    }
    /** A task that its process owns. */
    async employ(tally: HandleOf<typeof Tally>): Promise<void> {
      const { remote } = await import("mobula");
      const work = remote(async (tally: HandleOf<typeof Tally>) => {
        const { get } = await import("mobula");
        await get(tally.add.remote(process.pid));
        await new Promise(() => setInterval(() => {}, 1_000));
      }, { numCpus: 0, resources: { far: 1 } });
      work.remote(tally);
    }
  },
  { numCpus: 0, resources: { slot: 1 } },
);

const tally = Tally.remote();
const half = Math.floor(Number(slots) / 2);
const holders = Array.from({ length: half }, () => Holder.remote());
const parents = Array.from({ length: half }, () => parent.remote(tally));
const lasting = Holder.options({ name: "lasting", lifetime: "detached", resources: {} }).remote();
await ready(lasting);
await get(holders.map((holder) => holder.employ.remote(tally)));
const ending = await get(holders.map((holder) => holder.pid.remote()));
for (const pids: number[] = []; pids.length < 3 * parents.length;) {
  const more = await get(tally.take.remote()) as number[];
  pids.push(...more);
  ending.push(...more);
  await new Promise((resolve) => setTimeout(resolve, 20));
}
console.log(JSON.stringify({ ending, lasting: await get(lasting.pid.remote()) }));
if (how === "stay") await new Promise(() => setInterval(() => {}, 1_000));
await shutdown();
