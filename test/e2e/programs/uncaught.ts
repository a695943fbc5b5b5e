/** Fails, and catches nothing. */
import { get, init, remote } from "mobula";

await init({ numCpus: 1, dashboard: false, objectStoreBytes: 32 << 20 });
const fail = remote((page: string) => {
  console.log("my last line");
  throw new RangeError(`${page} has no title`);
}, { name: "fail", maxRetries: 0 });
await get(fail.remote("home"));
