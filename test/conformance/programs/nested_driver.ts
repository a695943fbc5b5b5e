/**
 * A driver with a task that has finished, and one that runs with a child that runs; prints its job's id and waits to be killed.
 * @module
 */
import { get, init, remote, runtimeContext } from "mobula";

await init();
const done = remote(() => 1, { numCpus: 0, name: "done" });
const child = remote(async () => {
  await new Promise(() => setInterval(() => {}, 1_000));
}, { numCpus: 0, name: "child" });
const parent = remote(async () => {
  await (await import("mobula")).get(child.remote());
}, { numCpus: 0, name: "parent" });
await get(done.remote());
parent.remote();
console.log(runtimeContext().jobId);
setInterval(() => {}, 1_000);
