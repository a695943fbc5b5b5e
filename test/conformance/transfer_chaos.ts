/**
 * Holders that go in the middle of a transfer: killed, or cut off, with another holder and without one. The getter gets the
 * right bytes, or a typed error when there is no copy left; nothing hangs, and nothing is left open.
 * @module
 */
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { get, listObjects, ObjectLostError, type ObjectRef, release, remote, why } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { Prng } from "../../runtime/common/prng.ts";
import { cutConnections } from "../support/cut_connection.ts";
import { waitFor } from "../support/wait_for.ts";
import type { LocalNodeOptions } from "../../runtime/process/local_cluster.ts";
import { addNode, type CaseNode, firstNodeId } from "./cases.ts";

const MB = 1 << 20;
/** Moves in some 100 ms: time enough to look at it on its way. */
export const OBJECT_BYTES: number = 64 * MB;
export const CHAOS_STORE_BYTES: number = 4 * OBJECT_BYTES;
/** A transfer that is over before it could be looked at is tried again. */
export const ATTEMPTS: number = 50;
export const TIMEOUT_MS: number = 30_000;
export const CHAOS_NODE: LocalNodeOptions = { numCpus: 1, objectStoreBytes: CHAOS_STORE_BYTES, prestart: 1 };

/** Words that differ from object to object and within one. */
export const make = remote(
  (seed: number, bytes: number) => {
    const words = new Float64Array(bytes / 8);
    for (let n = 0; n < words.length; n++) words[n] = seed * 1e9 + n;
    return words;
  },
  { maxRetries: 0 },
);
const touch = remote((_words: Float64Array) => true);
/** "right", or what is wrong. */
export const check = remote(
  (words: Float64Array, seed: number, bytes: number) => {
    if (words.length !== bytes / 8) return `${words.length} words`;
    const wrong = words.findIndex((word, n) => word !== seed * 1e9 + n);
    return wrong < 0 ? "right" : `word ${wrong} is ${words[wrong]}`;
  },
);

/** What happens to the sender of the primary copy, and whether there is another holder. */
const KINDS = [
  "kill, of two",
  "cut, of two",
  "cut, the only one",
  "one connection cut, the only one",
  "kill, the only one",
] as const;
type Kind = typeof KINDS[number];

/** So many rounds, the kinds in turn but for every `lonelyEvery`th, whose only holder is killed. */
export async function transferChaos(rounds: number, lonelyEvery: number): Promise<void> {
  const seed = Date.now() >>> 0;
  console.log(`transfer chaos, seed ${seed}`);
  const chaos = new Chaos(new Prng(seed));
  // The first one also opens what stays open.
  for (const kind of KINDS) await chaos.round(kind);
  await chaos.removeNodes();
  const openBefore = openFiles();
  for (let n = 1; n <= rounds; n++) {
    await chaos.round(n % lonelyEvery === 0 ? "kill, the only one" : KINDS[n % 4]!);
  }
  await chaos.removeNodes();
  await waitFor(
    `${openBefore} open files or fewer`,
    () => openFiles() <= openBefore,
    TIMEOUT_MS,
  ).catch((error: unknown) => {
    throw new Error(`${openFiles()} files are open; before: ${openBefore}`, { cause: error });
  });
}

class Chaos {
  readonly #prng: Prng;
  #nodes: CaseNode[] = [];
  #seed = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  async round(kind: Kind): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      if (await this.#attempt(kind)) return;
    }
    throw new Error(`In ${ATTEMPTS} attempts no transfer was met on its way`);
  }

  async removeNodes(): Promise<void> {
    const nodes = this.#nodes.splice(0);
    await Promise.all(nodes.map((node) => node.kill()));
    for (const node of nodes) await waitFor("its death is known", node.isDead, TIMEOUT_MS);
  }

  async #twoNodes(): Promise<[CaseNode, CaseNode]> {
    while (this.#nodes.length < 2) this.#nodes.push(await addNode(CHAOS_NODE));
    return [this.#nodes[0]!, this.#nodes[1]!];
  }

  /** False when the transfer was over too soon. */
  async #attempt(kind: Kind): Promise<boolean> {
    const [holder, other] = await this.#twoNodes();
    const seed = ++this.#seed;
    const isLonely = kind.endsWith("only one");
    const object = make.options(on(holder.nodeId)).remote(seed, OBJECT_BYTES);
    const touched = touch.options(on(isLonely ? holder.nodeId : other.nodeId)).remote(object);
    await get(touched, { timeoutMs: TIMEOUT_MS });
    const senders = isLonely ? [holder] : [holder, other];
    signal(senders, "SIGSTOP");
    const checked = check.options(on(firstNodeId())).remote(object, seed, OBJECT_BYTES);
    const refs = [object, touched, checked];
    const isMet = await this.#meetOnItsWay(checked, holder, senders);
    if (isMet && kind.startsWith("kill")) {
      this.#nodes = this.#nodes.filter((node) => node !== holder);
      await holder.kill();
      signal(senders.filter((node) => node !== holder), "SIGCONT");
    } else {
      const limit = kind.startsWith("one") ? 1 : Infinity;
      if (isMet) expect(cutConnections(firstAgentPid(), portOf(holder), limit)).toBeGreaterThan(0);
      signal(senders, "SIGCONT");
    }
    const isLost = isMet && kind === "kill, the only one" && !await this.#isComplete(checked);
    if (!isLost) expect(await get(checked, { timeoutMs: TIMEOUT_MS })).toBe("right");
    await forget(refs);
    return isMet && (isLost || kind !== "kill, the only one");
  }

  /** Of an object whose only holder was killed: whether it came nevertheless, because all of it was on the wire. */
  async #isComplete(checked: ObjectRef<string>): Promise<boolean> {
    const error = await get(checked, { timeoutMs: TIMEOUT_MS }).then(() => null, (thrown: Error) => thrown);
    if (error === null) return true;
    const lost = error instanceof ObjectLostError ? error : error.cause;
    expect(`${lost}`).toContain("ObjectLostError");
    expect(lost).toBeInstanceOf(ObjectLostError);
    return false;
  }

  /**
   * Lets the senders, which stand still, go on for a moment at a time until some of the bytes, but not all, have arrived.
   * They are looked at only while they stand still: however slow the look is, it misses nothing. False: all have arrived.
   */
  async #meetOnItsWay(
    checked: ObjectRef<string>,
    holder: CaseNode,
    senders: readonly CaseNode[],
  ): Promise<boolean> {
    // Anywhere on its way.
    let further = this.#prng.below(4);
    const deadlineMs = performance.now() + TIMEOUT_MS;
    for (;;) {
      const arrived = await arrivedBytes(checked, holder);
      if (arrived === "over") return false;
      if (arrived === "on its way" && further-- === 0) return true;
      if (performance.now() > deadlineMs) throw new Error(`No transfer: ${await why(taskOf(checked))}`);
      await goOn(senders, this.#prng.below(15));
    }
  }
}

export function signal(nodes: readonly CaseNode[], name: "SIGSTOP" | "SIGCONT"): void {
  for (const { pid } of nodes) process.kill(pid, name);
}

/** Nodes that stand still go on for a moment. */
export async function goOn(nodes: readonly CaseNode[], forMs: number): Promise<void> {
  signal(nodes, "SIGCONT");
  await new Promise((resolve) => setTimeout(resolve, forMs));
  signal(nodes, "SIGSTOP");
}

export function on(nodeId: string): { schedulingStrategy: { nodeId: string } } {
  return { schedulingStrategy: { nodeId } };
}

async function arrivedBytes(
  checked: ObjectRef<string>,
  holder: CaseNode,
): Promise<"not yet" | "on its way" | "over"> {
  const sentence = await why(taskOf(checked));
  if (/ (runs on|was pushed|has ended|finished|failed) ?/.test(sentence)) return "over";
  const from = /pulls from (.*): (\S+) \S+ have arrived/.exec(sentence);
  return from === null || !from[1]!.includes(holder.nodeId) || from[2] === "0" ? "not yet" : "on its way";
}

export function taskOf(ref: ObjectRef<unknown>): string {
  return `t${ref.id.slice(1).replace(/\.\d+$/, "")}`;
}

/** Lets go of them, and waits until no node holds any object. */
export async function forget(refs: readonly ObjectRef<unknown>[]): Promise<void> {
  for (const ref of refs) release(ref);
  await waitFor("no object is left", async () => (await listObjects()).length === 0, TIMEOUT_MS);
}

function firstAgentPid(): number {
  return currentDriver()!.local!.agents[0]!.ready.pid;
}

function portOf(node: CaseNode): number {
  const agent = currentDriver()!.local!.agents.find(({ ready }) => ready.nodeId === node.nodeId)!;
  return Number(agent.ready.address.split(":").at(-1));
}

/** Files and sockets that the first agent and the head have open. */
export function openFiles(): number {
  const { agents, head } = currentDriver()!.local!;
  return [agents[0]!.ready.pid, head.process.pid!]
    .reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
}
