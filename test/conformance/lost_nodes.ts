/**
 * Nodes whose objects are lost with them, and what counts how often they were made.
 * @module
 */
import { get, type ObjectRef, release, wait } from "mobula";
import { Tally, type TallyHandle } from "../support/actors.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, firstNodeId } from "./cases.ts";

/** Too large to travel inline. */
export const BYTES: number = 400_000;
export const FAR: { readonly resources: { readonly far: number } } = { resources: { far: 0.01 } };
export const TIME: { readonly timeoutMs: number } = { timeoutMs: 30_000 };

// No test of lost objects cuts a connection or kills a head: a node whose connection closed is gone.
process.env["MOBULA_NODE_RECONNECT_MS"] = "100";

/** A node for what is to be lost. */
export function farNode(): Promise<CaseNode> {
  return addNode({ numCpus: 4, resources: { far: 1 }, prestart: 1 });
}

/** The node dies and another one takes its place. */
export async function replace(node: CaseNode): Promise<CaseNode> {
  const next = await farNode();
  await node.kill();
  await waitFor("the node is dead", node.isDead);
  return next;
}

/** On the driver's node, which is not lost. */
export async function countHere(): Promise<TallyHandle> {
  const tally = Tally.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
  await get(tally.read.remote());
  return tally;
}

/** Of the refs and handles of a test. */
export function letGo(...held: readonly Parameters<typeof release>[0][]): void {
  for (const one of held) release(one);
}

export async function stored<T>(...refs: ObjectRef<T>[]): Promise<void> {
  await wait(refs, { numReturns: refs.length, fetchLocal: false, ...TIME });
}
