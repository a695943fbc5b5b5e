/** Files of spilled objects: which of them are opened ahead of their readers, and what comes out of them. */
import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { SPILL_PART_BYTES, SpillFiles } from "../../../runtime/io/store/spill_files.ts";
import { waitFor } from "../../support/wait_for.ts";

const SIZE = 2 * SPILL_PART_BYTES + 5;
const dir = mkdtempSync(join(tmpdir(), "mobula-spill-"));
let files = new SpillFiles(dir);

afterEach(async () => {
  files.close();
  await waitFor("all files are closed", () => openNames().length === 0);
  files = new SpillFiles(dir);
});
afterAll(() => {
  files.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Files of the folder that this process has open. */
function openNames(): string[] {
  return readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "";
    }
  }).filter((path) => path.startsWith(dir)).map((path) => basename(path.replace(/ \(deleted\)$/, ""))).sort();
}

async function write(value: number): Promise<string> {
  const bytes = new Uint8Array(SIZE).fill(value);
  return await files.write([{ size: SIZE, read: (at, length) => bytes.subarray(at, at + length) }]);
}

async function read(file: string, expected: number): Promise<void> {
  let done = 0;
  await files.read({ file, offset: 0 }, { size: SIZE, offset: 0, length: SIZE }, {
    memory: (_at, length) => new Uint8Array(length),
    done: (at, bytes) => {
      expect(at).toBe(done);
      expect(bytes.every((byte) => byte === expected)).toBe(true);
      done += bytes.length;
    },
  });
  expect(done).toBe(SIZE);
}

test("who reads files in their order finds the next one read ahead", async () => {
  const names: string[] = [];
  for (let value = 1; value <= 4; value++) names.push(await write(value));
  await read(names[0]!, 1);
  expect(openNames()).toEqual([names[0]!]);
  await read(names[1]!, 2);
  await waitFor("the third is open", () => openNames().includes(names[2]!));
  expect(openNames()).not.toContain(names[3]!);
  await read(names[2]!, 3);
  await read(names[3]!, 4);
});

test("who reads them in another order finds nothing read ahead", async () => {
  const names: string[] = [];
  for (let value = 1; value <= 4; value++) names.push(await write(value));
  for (const index of [3, 1, 0]) await read(names[index]!, index + 1);
  expect(openNames()).toEqual([names[0]!, names[1]!, names[3]!]);
});

test("a file that goes when it was read ahead leaves nothing open", async () => {
  const names: string[] = [];
  for (let value = 1; value <= 3; value++) names.push(await write(value));
  await read(names[0]!, 1);
  await read(names[1]!, 2);
  await waitFor("the third is open", () => openNames().includes(names[2]!));
  files.delete(names[2]!);
  await waitFor("it is closed", () => !openNames().includes(names[2]!));
  await expect(read(names[2]!, 3)).rejects.toThrow("is gone");
});
