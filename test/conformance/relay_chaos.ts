/**
 * One object to several nodes at once: its node sends few copies, the others send on what they have; and one of those is
 * killed while it does. Whoever is left gets the right bytes, and nothing hangs.
 *
 * The holder's agent stands still until all have asked it, so that what they are told does not depend on who is fast.
 */
import { expect } from "bun:test";
import { get, type ObjectRef, release, why } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import type { TaskId } from "../../runtime/common/ids.ts";
import type { HeadMethods } from "../../runtime/protocol/messages.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode } from "./cases.ts";
import {
  ATTEMPTS,
  CHAOS_NODE,
  check,
  forget,
  goOn,
  make,
  OBJECT_BYTES,
  on,
  taskOf,
  TIMEOUT_MS,
} from "./transfer_chaos.ts";

/** A broadcast on its way: all have asked the holder, which stands still. */
interface Broadcast {
  readonly object: ObjectRef<Float64Array>;
  /** By receiver. */
  readonly checked: ReadonlyMap<CaseNode, ObjectRef<string>>;
}

/** For which the holder goes on at a time; a transfer takes many. */
const MOMENT_MS = 5;

let seed = 0;

async function begin(holder: CaseNode, receivers: readonly CaseNode[]): Promise<Broadcast> {
  seed++;
  const object = make.options(on(holder.nodeId)).remote(seed, OBJECT_BYTES);
  const touched = check.options(on(holder.nodeId)).remote(object, seed, OBJECT_BYTES);
  expect(await get(touched, { timeoutMs: TIMEOUT_MS })).toBe("right");
  release(touched);
  process.kill(holder.pid, "SIGSTOP");
  const checked = new Map(receivers.map((node) => [
    node,
    check.options(on(node.nodeId)).remote(object, seed, OBJECT_BYTES),
  ]));
  for (const [{ nodeId }, ref] of checked) {
    await waitFor(
      `${nodeId} has asked`,
      async () => (await progress(ref)).from === holder.nodeId,
      TIMEOUT_MS,
    );
  }
  return { object, checked };
}

/** How many bytes each node has sent to the receivers, when all of them are served. */
export async function bytesSentBy(
  holder: CaseNode,
  receivers: readonly CaseNode[],
): Promise<Map<string, number>> {
  const { object, checked } = await begin(holder, receivers);
  process.kill(holder.pid, "SIGCONT");
  for (const ref of checked.values()) expect(await get(ref, { timeoutMs: TIMEOUT_MS })).toBe("right");
  const sent = new Map<string, number>();
  for (const ref of checked.values()) {
    for (const [node, bytes] of await sources(ref)) sent.set(node, (sent.get(node) ?? 0) + bytes);
  }
  await forget([object, ...checked.values()]);
  return sent;
}

/** A node that sends on what it has is killed in the middle, so many times. */
export async function relayChaos(rounds: number): Promise<void> {
  const holder = await addNode(CHAOS_NODE);
  const receivers: CaseNode[] = [];
  for (let round = 0; round < rounds; round++) {
    while (receivers.length < 3) receivers.push(await addNode(CHAOS_NODE));
    let killed: CaseNode | null = null;
    for (let attempt = 0; killed === null; attempt++) {
      if (attempt === ATTEMPTS) throw new Error(`In ${ATTEMPTS} attempts no relay was met at work`);
      killed = await killRelay(holder, receivers);
    }
    receivers.splice(receivers.indexOf(killed), 1);
  }
  await Promise.all([holder, ...receivers].map((node) => node.kill()));
  for (const node of [holder, ...receivers]) await waitFor("its death is known", node.isDead, TIMEOUT_MS);
}

/** The node that was killed; null when all was over too soon. */
async function killRelay(holder: CaseNode, receivers: readonly CaseNode[]): Promise<CaseNode | null> {
  const { object, checked } = await begin(holder, receivers);
  const relay = await meetRelay(holder, receivers, checked);
  await relay?.kill();
  process.kill(holder.pid, "SIGCONT");
  for (const [node, ref] of checked) {
    if (node === relay) await get(ref, { timeoutMs: TIMEOUT_MS }).catch(() => undefined);
    else expect(await get(ref, { timeoutMs: TIMEOUT_MS })).toBe("right");
  }
  await forget([object, ...checked.values()]);
  return relay;
}

/**
 * Lets the holder, which stands still, go on for a moment at a time until a receiver sends to another while it lacks some
 * itself: what the holder has not sent, however slow we are to look. Null when it is too late for that.
 */
async function meetRelay(
  holder: CaseNode,
  receivers: readonly CaseNode[],
  checked: Broadcast["checked"],
): Promise<CaseNode | null> {
  for (;;) {
    const now = new Map<CaseNode, Progress>();
    for (const [node, ref] of checked) now.set(node, await progress(ref));
    for (const { from, hasBytes, isOver } of now.values()) {
      if (isOver) return null;
      const relay = receivers.find(({ nodeId }) => nodeId === from);
      if (relay !== undefined && hasBytes && now.get(relay)!.from === holder.nodeId) return relay;
    }
    await goOn([holder], MOMENT_MS);
  }
}

interface Progress {
  readonly from: string | null;
  readonly hasBytes: boolean;
  readonly isOver: boolean;
}

/** From where the task's argument is coming now. */
async function progress(ref: ObjectRef<string>): Promise<Progress> {
  const sentence = await why(taskOf(ref));
  const found = /pulls from (\S+): (\S+) \S+ have arrived/.exec(sentence);
  return {
    from: found?.[1] ?? null,
    hasBytes: found !== null && found[2] !== "0",
    isOver: / (runs on|was pushed|has ended|finished|failed) ?/.test(sentence),
  };
}

/** Bytes that came for the task, by sender, as its trace tells it. */
async function sources(ref: ObjectRef<string>): Promise<Map<string, number>> {
  const taskId = taskOf(ref) as TaskId;
  const steps = await waitFor(`the trace of ${taskId}`, async () => {
    const { result } = await currentDriver()!.core.link.request("head", {
      method: "trace",
      params: { taskId },
    });
    const found = (result as HeadMethods["trace"]["result"]).steps;
    return found.some(({ name }) => name === "record") && found.some(({ name }) => name === "pull") && found;
  }, TIMEOUT_MS);
  const bytes = new Map<string, number>();
  for (const { name, detail } of steps) {
    if (name !== "pull") continue;
    const [, count, node] = /(\d+) bytes from ([^\s,]+)/.exec(detail)!;
    // Nothing came of the last one: that node named others.
    if (count === "0") bytes.delete(node!);
    else bytes.set(node!, (bytes.get(node!) ?? 0) + Number(count));
  }
  return bytes;
}
