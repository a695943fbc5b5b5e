/**
 * What the platform promises of mappings, checked on the runtime that runs this: one line of JSON, a list of what is wrong.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectGarbage, mappingsAlive, mapPrivate, mapShared, runtimeName, runtimeVersion } from "#platform";

const MB = 1024 * 1024;
const wrong: string[] = [];
const check = (condition: boolean, what: string): void => void (condition || wrong.push(what));
const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
const path = join(folder, "file");
writeFileSync(path, new Uint8Array(4 * MB).fill(7));
const fd = openSync(path, "r+");

/** Lets finalizers run until the condition holds, for a number of collections. */
async function settle(condition: () => boolean, rounds = 200): Promise<boolean> {
  for (let n = 0; n < rounds && !condition(); n++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return condition();
}

let gone = 0;
const map = (offset = 0, length = MB): ArrayBuffer | null => mapPrivate(fd, offset, length, () => gone++);
check(/^\d+\.\d+/.test(runtimeVersion), "version");

if (runtimeName === "node") {
  check(map() === null && mapShared(fd, MB) === null && mappingsAlive() === 0, "Node maps nothing");
} else {
  // A buffer of its own, private to the process.
  const buffer = mapPrivate(fd, 16384, 100_001, () => {})!;
  check(buffer.byteLength === 100_001, "length");
  const bytes = new Uint8Array(buffer);
  check(bytes.every((byte) => byte === 7), "contents");
  bytes.fill(9);
  const there = new Uint8Array(1);
  readSync(fd, there, 0, 1, 16384);
  check(there[0] === 7, "writes stay private");
  check(map(100) === null, "an offset within a page is refused");
  check(map(0, 0) === null, "nothing is not mapped");

  // Released when the buffers are gone, not when the wrappers are: views over their memory count.
  const views: Uint8Array[] = [];
  for (let n = 0; n < 20; n++) views.push(new Uint8Array(map()!).subarray(10, 20));
  await settle(() => gone > 0, 10);
  check(gone === 0, `${gone} were unmapped under a view`);
  check(views.every((view) => view[3] === 7), "views stay readable");
  views.length = 0;
  check(await settle(() => gone >= 10), `views are gone, ${gone} of 20 unmapped`);

  // Transfers: the memory moves on, or the transfer is refused; it is never unmapped under the new owner.
  gone = 0;
  const moved: ArrayBuffer[] = [];
  let refused = 0;
  for (let n = 0; n < 20; n++) {
    const original = map()!;
    try {
      moved.push(structuredClone(original, { transfer: [original] }));
    } catch {
      refused++;
    }
  }
  check(moved.length === 20 || refused === 20, `${moved.length} transfers, ${refused} refused`);
  if (refused === 0) await settle(() => gone > 0, 10);
  if (refused === 0) check(gone === 0, `${gone} were unmapped after a transfer`);
  check(moved.every((one) => new Uint8Array(one)[MB - 1] === 7), "transferred memory stays readable");
  moved.length = 0;
  check(await settle(() => gone >= 10), `transferred buffers are gone, ${gone} of 20 unmapped`);

  // A shared mapping is seen by others, and ends when told.
  const shared = mapShared(fd, 2 * MB)!;
  check(shared.populate(MB, 16384), "populate");
  shared.view(MB, 16384).fill(3);
  readSync(fd, there, 0, 1, MB + 5);
  check(there[0] === 3, "shared writes are seen");
  // Bytes of any memory, also from the middle of it: small, large, shared between threads.
  for (const memory of [new ArrayBuffer(40), new ArrayBuffer(40_000), new SharedArrayBuffer(40_000)]) {
    const bytes = new Uint8Array(memory, 7, memory.byteLength - 9).fill(memory.byteLength % 251);
    bytes[0] = 1;
    bytes[bytes.length - 1] = 2;
    shared.copy(MB + 3, bytes);
    const copied = Buffer.alloc(bytes.length);
    readSync(fd, copied, 0, copied.length, MB + 3);
    check(copied.equals(bytes), `${bytes.length} bytes are copied`);
    bytes.fill(0);
    shared.read(MB + 3, bytes);
    check(copied.equals(bytes), `${bytes.length} bytes are copied back`);
  }
  shared.copy(MB, new Uint8Array(0));
  for (const [at, bytes] of [[2 * MB - 8, 9], [-1, 1]] as const) {
    for (const way of ["copy", "read"] as const) {
      try {
        shared[way](at, new Uint8Array(bytes));
        wrong.push(`${way} of ${bytes} bytes at ${at}`);
      } catch (error) {
        check(error instanceof RangeError, "nothing is copied outside of the mapping");
      }
    }
  }
  shared.unmap();
  shared.unmap();
  check(!shared.populate(0, 16384), "no populating after unmap");

  // A closed descriptor is refused, not fatal.
  const closed = openSync(path, "r");
  closeSync(closed);
  check(mapPrivate(closed, 0, MB, () => {}) === null, "a closed descriptor is refused");
}

closeSync(fd);
rmSync(folder, { recursive: true });
console.log(JSON.stringify(wrong));
process.exit(0);
