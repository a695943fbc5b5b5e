/**
 * Runs in a file system of a few megabytes (argument: its folder), which somebody else fills: prints what writers are told.
 */
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { runtimeName } from "#platform";
import type { NodeId, ObjectId, ProcessId } from "../../../../runtime/common/ids.ts";
import { openLocalStore } from "../../../../runtime/io/store/local_store.ts";
import { ObjectWriter } from "../../../../runtime/io/store/object_writer.ts";
import { layoutSize } from "../../../../runtime/protocol/object_layout.ts";

const dir = process.argv[2]!;
const home = "n-a" as NodeId;
const owner = "d-1" as ProcessId;
const results: unknown[] = [];
const store = await openLocalStore({
  nodeId: home,
  locate: () => Promise.reject(new Error("not asked")),
  report: () => {},
  free: () => {},
  actorOutOfScope: () => {},
  sendReferences: () => Promise.resolve(),
  stranded: () => {},
  lanes: 1,
  fetchObject: () => Promise.reject(new Error("not asked")),
  collectGarbage: () => {},
  warn: (text) => results.push(text),
}, { objectStoreBytes: 64 * 1024 * 1024, objectStoreDir: dir, spillDir: null, graceMs: 20 });

const writer = new ObjectWriter();
let count = 0;
async function put(bytes: number): Promise<unknown> {
  const id = `o-1-p${count++}` as ObjectId;
  const parts = { body: new Uint8Array(1), buffers: [new Uint8Array(bytes).fill(1)] };
  try {
    const place = await store.createObject(owner, { id, size: layoutSize(parts) });
    // Between the grant and the write, somebody takes the room.
    if (bytes === 300_000) fillUp();
    writer.write(place, parts);
    await store.sealObject(owner, { id, home, owner, isError: false, contains: [] });
    return id;
  } catch (error) {
    store.abortObject(owner, { id });
    return (error as { code?: string }).code;
  }
}

function fillUp(): void {
  try {
    for (;;) appendFileSync(join(dir, "filler"), new Uint8Array(65536));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  }
}

results.push(await put(1_000_000));
// Not enough is left for it: refused by the agent after the grace.
results.push(await put(3_500_000));
results.push(await put(1_200_000));
results.push(await put(300_000));
// The rest of the file system belongs to others now; what the pool has stays good, also through populated pages.
store.deleteObjects(["o-1-p0" as ObjectId]);
for (let n = 0; n < 3; n++) {
  const id = await put(1_000_000);
  results.push(id);
  store.deleteObjects([id as ObjectId]);
}
rmSync(join(dir, "filler"));
store.check();
store.close();
console.log(JSON.stringify({ runtime: runtimeName, results }));
process.exit(0);
