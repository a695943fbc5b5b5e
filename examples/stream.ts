/**
 * Counts a word in the text files below a folder until it was found often enough, as a pipeline of a stream and tasks.
 *
 *     bun examples/stream.ts [FOLDER] [WORD] [--enough N]
 *
 * A generator task reads the text files below FOLDER and gives blocks of lines; each block is counted by a task of its own
 * while further blocks still arrive. When WORD (default: the) was found N times (default: 1,000), the loop is left: that
 * ends the generator. The reader is never more than a few blocks ahead, so memory is bounded however large
 * FOLDER is. It runs on an embedded cluster, or on the one that MOBULA_ADDRESS names if that sees the same files.
 * @module
 */
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { fileURLToPath } from "node:url";
import { get, init, type ObjectRef, remote } from "mobula";
import { readTexts, textFiles } from "./support/text_files.ts";

const BLOCK_LINES = 1_000;
/** Blocks that the reader may be ahead, and those that are counted at once. */
const AHEAD = 8;

/** Gives the lines of all text files below `folder`, in blocks. */
async function* readBlocks(folder: string, lines: number): AsyncGenerator<string[]> {
  let block: string[] = [];
  for await (const bytes of readTexts((await textFiles(folder)).list)) {
    for (const line of new TextDecoder().decode(bytes).split("\n")) {
      block.push(line);
      if (block.length < lines) continue;
      yield block;
      block = [];
    }
  }
  if (block.length > 0) yield block;
}

/** How often each word stands in a block. */
function countWords(block: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of block) {
    for (const [word] of line.toLowerCase().matchAll(/[\p{L}\p{N}_]+/gu)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return counts;
}

const blocksOf = remote(readBlocks, { name: "readBlocks", generatorBackpressure: AHEAD });
const count = remote(countWords);

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { enough: { type: "string", default: "1000" } },
});
const [folder = fileURLToPath(new URL("../node_modules", import.meta.url)), word = "the"] = positionals;
const enough = Number(flags.enough);

await using _cluster = await init();
const blocks = blocksOf.remote(resolve(folder), BLOCK_LINES);
const counting: ObjectRef<Map<string, number>>[] = [];
let found = 0;
let counted = 0;

/** Add what the oldest task has counted: the answer is the same however fast each of them is. */
async function addOne(): Promise<void> {
  const ref = counting.shift()!;
  found += (await get(ref)).get(word) ?? 0;
  counted++;
  ref.release();
}

for await (const block of blocks) {
  counting.push(count.remote(block));
  block.release(); // The task holds it as long as it needs it.
  if (counting.length === AHEAD) await addOne();
  if (found >= enough) break; // The generator returns.
}
while (counting.length > 0 && found < enough) await addOne();
await get(blocks.completed());
console.log(`"${word}" ${found} times in ${counted} blocks of ${BLOCK_LINES} lines`);
console.log(found >= enough ? "enough: the rest was not read" : "that is all there is");
