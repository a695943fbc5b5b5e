/**
 * Writes rows for ever and prints each number once its row is durable, for the tests that kill it.
 * Arguments: folder, runtime of the store process, prefix of the keys. "pid N" comes first.
 * @module
 */
import type { RuntimeName } from "../../../runtime/common/task_spec.ts";
import { openStore } from "../../../runtime/io/storage/store_client.ts";

const [dir, runtime, prefix] = process.argv.slice(2);
const store = await openStore({
  url: null,
  dir: dir!,
  runtime: runtime as RuntimeName,
  clusterId: "c-writer",
  onFatal: (error) => {
    console.error(error.code, error.message);
    process.exit(70);
  },
});
console.log(`pid ${store.pid}`);
for (let index = 0;; index++) {
  store.write({ table: "kv", put: { key: `${prefix}${index}`, value: new Uint8Array([index & 255]) } });
  await store.committed();
  console.log(index);
}
