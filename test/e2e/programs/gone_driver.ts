/**
 * A driver whose task never ends: prints the ids of task and job, and waits to be killed.
 * @module
 */
import { init, remote, runtimeContext } from "mobula";

await init();
const waiting = remote(async () => {
  await new Promise(() => setInterval(() => {}, 1_000));
}, { numCpus: 0, name: "waiting" });
const ref = waiting.remote();
console.log(JSON.stringify({
  taskId: `t${ref.id.slice(1).replace(/\.\d+$/, "")}`,
  jobId: runtimeContext().jobId,
}));
setInterval(() => {}, 1_000);
