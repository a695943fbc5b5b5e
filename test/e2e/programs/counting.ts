/**
 * A driver that counts: many short tasks, as many that take their results, three that fail, and four that are under way when it
 * ends as it is told to (`shutdown`, `exit`; else it waits to be killed). Prints what it counted.
 * @module
 */
import { get, init, remote, runtimeContext, shutdown } from "mobula";

const [how = "", count = "1000"] = process.argv.slice(2);
const EACH = Number(count);
await init();
const make = remote((x: number) => x, { name: "make" });
const use = remote((x: number) => x + 1, { name: "use" });
const refuse = remote((x: number) => {
  throw new RangeError(`no ${x}`);
}, { name: "refuse", maxRetries: 0 });
const hold = remote(async () => {
  await new Promise(() => setInterval(() => {}, 1_000));
}, { name: "hold", numCpus: 0 });
const after = remote((_held: unknown) => 1, { name: "after" });

let finished = 0;
let failed = 0;
const made = Array.from({ length: EACH }, (_, i) => make.remote(i));
const used = made.map((ref) => use.remote(ref));
for (const value of await get(used)) finished += typeof value === "number" ? 2 : 0;
for (const ref of [1, 2, 3].map((x) => refuse.remote(x))) {
  await get(ref).catch(() => failed++);
}
const held = [hold.remote(), hold.remote()];
const waiting = held.map((ref) => after.remote(ref));
console.log(
  JSON.stringify({ jobId: runtimeContext().jobId, finished, failed, open: held.length + waiting.length }),
);
for await (const _ of process.stdin) {
  if (how === "shutdown") await shutdown();
  process.exit(0);
}
