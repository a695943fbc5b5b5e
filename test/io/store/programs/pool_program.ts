/**
 * One process that reads and writes a pool made by somebody else: `pool_program.ts PATH COMMAND...`. Commands run in order;
 * each prints one line of JSON.
 *   write OFFSET SEED      an object with a body and three buffers made from the seed
 *   read OFFSET SIZE SEED  checks all of it, then writes into every buffer; prints "ok"
 *   hold OFFSET SIZE SEED  reads and keeps; then prints "held" and waits for a line on stdin; checks again, prints "ok"
 *   release OFFSET SIZE    reads, drops all, collects garbage until released; prints "released"
 */
import { createInterface } from "node:readline";
import { collectGarbage, mappingsAlive, runtimeName } from "#platform";
import { ObjectReader, type StoredObject } from "../../../../runtime/io/store/object_reader.ts";
import { ObjectWriter } from "../../../../runtime/io/store/object_writer.ts";
import { makeParts, wrongParts } from "./parts.ts";

const [path, ...commands] = process.argv.slice(2) as [string, ...string[]];
const reader = new ObjectReader();
const writer = new ObjectWriter();
const say = (value: unknown): void => console.log(JSON.stringify(value));
const next = (): number => Number(commands.shift());
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

while (commands.length > 0) {
  const command = commands.shift()!;
  if (command === "write") {
    writer.write({ path, offset: next() }, makeParts(next()));
    say("ok");
  } else if (command === "read") {
    const place = { path, offset: next(), size: next() };
    const stored = reader.read(place, () => {});
    say(wrongParts(stored, next()) ?? "ok");
    for (const buffer of stored.buffers) new Uint8Array(buffer).fill(255);
  } else if (command === "hold") {
    const place = { path, offset: next(), size: next() };
    const stored = reader.read(place, () => {
      if (mappingsAlive() > 0) say("released while held");
    });
    const seed = next();
    // Dirty a page of the first buffer: it must stay as this process left it.
    new Uint8Array(stored.buffers[0]!)[5] = 250;
    say("held");
    await lines.next();
    const bytes = new Uint8Array(stored.buffers[0]!);
    const dirty = bytes[5];
    bytes[5] = makeParts(seed).buffers[0]![5]!;
    say(dirty === 250 ? wrongParts(stored, seed) ?? "ok" : `the written byte became ${dirty}`);
  } else if (command === "release") {
    const place = { path, offset: next(), size: next() };
    await release(place);
  } else throw new Error(`unknown command ${command}`);
}
say({ runtime: runtimeName });
process.exit(0);

/** Several reads, because a conservative collector may keep one alive by chance. */
async function release(place: { path: string; offset: number; size: number }): Promise<void> {
  let released = 0;
  let keep: StoredObject[] = [];
  for (let n = 0; n < 20; n++) keep.push(reader.read(place, () => released++));
  const mapped = mappingsAlive();
  const early = mapped > 0 ? released : 0;
  keep = [];
  for (let n = 0; n < 200 && released < 10; n++) {
    collectGarbage();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  say(
    early > 0
      ? `${early} were released while they were held`
      : released >= 10
      ? "released"
      : `only ${released} of 20`,
  );
}
