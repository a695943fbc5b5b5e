/**
 * RETRY-10: nested tasks on nodes that are killed one after the other, each replaced by a fresh one. The driver's own node has
 * none of the work.
 * @module
 */
import { expect } from "bun:test";
import { get, type ObjectRef, remote } from "mobula";
import { addNode } from "./cases.ts";

const EVERY_MS = 2_000;
/** Tells the worker nodes. */
const NODE = { numCpus: 8, resources: { work: 1_000 } };
const OPTIONS = { maxRetries: -1, numCpus: 0.5, resources: { work: 1 } };

const inner = remote(async (n: number) => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return n * 2;
}, OPTIONS);

const outer = remote(async (n: number) => {
  const [a, b] = await get([inner.remote(n), inner.remote(n + 1)]);
  return a + b;
}, OPTIONS);

/** `count` tasks of three each, while nodes die for so long; throws unless all values arrive and are right. */
export async function killNodes(forMs: number, count: number): Promise<void> {
  const alive = await Promise.all([addNode(NODE), addNode(NODE), addNode(NODE)]);
  const endMs = performance.now() + forMs;
  const refs: ObjectRef<number>[] = [];
  for (let n = 0; n < count; n++) refs.push(outer.remote(n));
  let killed = 0;
  for (let atMs = performance.now(); atMs < endMs; atMs += EVERY_MS) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    // The oldest one: the order is the same every time.
    const victim = alive.shift()!;
    alive.push(await addNode(NODE));
    await victim.kill();
    killed++;
  }
  expect(killed).toBeGreaterThan(1);
  const values = await get(refs, { timeoutMs: 60_000 + forMs });
  expect(values).toEqual(Array.from({ length: count }, (_, n) => 4 * n + 2));
  for (const node of alive) await node.kill();
}
