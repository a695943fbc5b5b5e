/** A driver that asks for more shared memory than any machine has; it works with what there is. */
import { get, init, put, shutdown } from "mobula";

await init({ numCpus: 1, dashboard: false, objectStoreBytes: 2 ** 46 });
console.log((await get(await put(new Uint8Array(1_000_000)))).length);
await shutdown();
