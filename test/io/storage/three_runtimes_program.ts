/**
 * Opens the store of a folder with a store process of the runtime that this program runs under, checks that what the runtimes
 * before it wrote is there, adds its own and prints what it saw. Argument: the folder.
 * @module
 */
import { runtimeName } from "#platform";
import { openStore } from "../../../runtime/io/storage/store_client.ts";

const store = await openStore({
  url: null,
  dir: process.argv[2]!,
  runtime: runtimeName,
  clusterId: "c-three",
  onFatal: (error) => {
    throw error;
  },
});
const seen = store.loaded.kv.map((row) => `${row.key}=${[...row.value].join(".")}`);
const source = new Uint8Array(100_000).fill(store.loaded.epoch);
store.write({ table: "kv", put: { key: runtimeName, value: new Uint8Array([0, 255, store.loaded.epoch]) } });
store.write({
  table: "functions",
  put: { hash: runtimeName, kind: "function", name: "größe", createdMs: 1.5e12, source },
});
await store.committed();
const read = await store.readFunction(runtimeName);
const same = read !== null && read.source.every((byte, index) => byte === source[index]) &&
  read.source.length === source.length && read.name === "größe";
await store.close();
console.log(
  JSON.stringify({ epoch: store.loaded.epoch, clusterId: store.loaded.clusterId, seen: seen.sort(), same }),
);
