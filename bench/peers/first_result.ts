/**
 * From init() to the first result of an embedded cluster, in a process of its own; prints milliseconds.
 * @module
 */
import process from "node:process";
import { get, init, remote, shutdown } from "mobula";

const small = remote((): number => 1, { name: "small_value" });
const beganMs = performance.now();
await init({ logToDriver: false });
await get(small.remote());
console.log(performance.now() - beganMs);
await shutdown();
process.exit(0);
