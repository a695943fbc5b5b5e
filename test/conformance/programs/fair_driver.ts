/**
 * A second driver of a running cluster (MOBULA_ADDRESS, MOBULA_TOKEN): runs one task, says "ready", runs as many as its
 * first argument says, says "done", and ends.
 */
import { get, init, remote, shutdown } from "mobula";

await init();
const spin = remote((ms: number) => {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs);
});
await get(spin.remote(5));
console.log("ready");
await get(Array.from({ length: Number(process.argv[2]) }, () => spin.remote(5)));
console.log("done");
await shutdown();
