/**
 * Object stores of several nodes in one process, over a directory and links of their own: what the head and the agents'
 * connections do for them, without sockets.
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { ActorId, NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { ObjectLostError } from "../../../runtime/common/errors.ts";
import {
  type LocalStore,
  type LocalStoreOptions,
  openLocalStore,
} from "../../../runtime/io/store/local_store.ts";
import { defaultPoolDir } from "../../../runtime/io/store/pool_folder.ts";
import { ReferredError } from "../../../runtime/io/transport/object_client.ts";
import type {
  NodeRefChange,
  ObjectStep,
  PartReceiver,
  StoreHost,
} from "../../../runtime/io/store/store_host.ts";
import type { HeadMethods, ObjectReport } from "../../../runtime/protocol/messages.ts";
import { encodeObject } from "../../../runtime/protocol/object_layout.ts";

/** Bytes of one piece of a fake transfer. */
const PIECE_BYTES = 64 * 1024;

interface Question {
  readonly id: ObjectId;
  readonly answer: (result: HeadMethods["locateObject"]["result"]) => void;
  readonly fail: (error: Error) => void;
}

export class FakeCluster {
  /** A folder of its own below the real default, so that pools are real shared memory and nothing else is swept. */
  readonly dir: string = mkdtempSync(join(defaultPoolDir(), "mobula-test-"));
  readonly stores = new Map<NodeId, LocalStore>();
  readonly reports = new Map<ObjectId, Map<NodeId, ObjectReport>>();
  readonly freed: ObjectId[] = [];
  readonly deadActors: ActorId[] = [];
  /** `<id> <node>` of objects whose home said where they were made when that node died. */
  readonly stranded: string[] = [];
  readonly warnings: string[] = [];
  readonly steps: (ObjectStep & { node: NodeId })[] = [];
  /** Questions for locations: `<id> <where it was made>`. */
  readonly asked: string[] = [];
  /** Transfers that were begun: `<id> <from>`. */
  readonly fetches: string[] = [];
  collections = 0;
  /** Of stores that are opened from now on: over how many connections a node sends them a large object. */
  lanes = 1;
  /** Transfers that were begun over connections after the first: `<id> <from> <lane>`. */
  readonly extraLanes: string[] = [];
  /** Called before each piece of a transfer: may throw to break it, or wait. */
  onPiece: (id: ObjectId, from: NodeId, offset: number, to: NodeId) => void | Promise<void> = () => {};
  /** Called when all pieces of a transfer have come, before its end is known: may wait. */
  onLast: (id: ObjectId, from: NodeId) => void | Promise<void> = () => {};
  /** Bytes that each node has sent. */
  readonly sent = new Map<NodeId, number>();
  /** Called at each step of an object's way. */
  onStep: (step: ObjectStep) => void = () => {};
  #questions = new Set<Question>();

  async node(name: string, options: Partial<LocalStoreOptions> = {}): Promise<LocalStore> {
    const nodeId = `n-${name}` as NodeId;
    const store = await openLocalStore(this.#host(nodeId), {
      objectStoreBytes: 16 * 1024 * 1024,
      objectStoreDir: this.dir,
      spillDir: null,
      ...options,
    });
    this.stores.set(nodeId, store);
    return store;
  }

  #host(nodeId: NodeId): StoreHost {
    return {
      nodeId,
      lanes: this.lanes,
      locate: ({ id, at, wait }, signal) => {
        this.asked.push(`${id} ${at}`);
        return this.#locate(id, wait, signal);
      },
      report: (added, removed) => this.#report(nodeId, added, removed),
      free: (ids) => {
        this.freed.push(...ids);
        for (const store of this.stores.values()) store.deleteObjects(ids);
      },
      stranded: (at, ids) => this.stranded.push(...ids.map((id) => `${id} ${at}`)),
      actorOutOfScope: (id) => this.deadActors.push(id),
      sendReferences: async (home, changes: NodeRefChange[]) => {
        const store = this.stores.get(home);
        if (store === undefined) throw new Error(`${home} is dead`);
        await Promise.resolve();
        store.peerReferences(nodeId, changes);
      },
      fetchObject: (node, part, receiver, signal) => this.#fetch(nodeId, node, part, receiver, signal),
      collectGarbage: () => this.collections++,
      warn: (text) => this.warnings.push(text),
      step: (step) => {
        this.steps.push({ ...step, node: nodeId });
        this.onStep(step);
      },
    };
  }

  async #fetch(
    from: NodeId,
    node: NodeId,
    { id, offset, length, mayRefer, lane }: Parameters<StoreHost["fetchObject"]>[1],
    { sink, onChecked }: PartReceiver,
    signal: AbortSignal,
  ): Promise<void> {
    this.fetches.push(`${id} ${node}`);
    if (lane > 0) this.extraLanes.push(`${id} ${node} ${lane}`);
    const source = await this.stores.get(node)?.serve({ id, offset, from, mayRefer }) ?? null;
    if (source === null) throw Object.assign(new Error("not here"), { code: "ObjectNotHereError" });
    if ("holders" in source) throw new ReferredError("busy", offset, source.holders);
    try {
      for (let at = offset; at < offset + length;) {
        await this.onPiece(id, node, at, from);
        signal.throwIfAborted();
        const bytes = await source.read(at, Math.min(PIECE_BYTES, offset + length - at));
        signal.throwIfAborted();
        sink(at, bytes);
        at += bytes.byteLength;
        this.sent.set(node, (this.sent.get(node) ?? 0) + bytes.byteLength);
        onChecked(at);
      }
      await this.onLast(id, node);
    } finally {
      source.close();
    }
  }

  #report(node: NodeId, added: ObjectReport[], removed: ObjectId[]): void {
    for (const id of removed) {
      this.reports.get(id)?.delete(node);
      if (this.reports.get(id)?.size === 0) this.reports.delete(id);
    }
    for (const report of added) {
      const holders = this.reports.get(report.id) ?? new Map<NodeId, ObjectReport>();
      holders.set(node, report);
      this.reports.set(report.id, holders);
    }
    for (const question of [...this.#questions]) {
      if (!this.reports.has(question.id)) continue;
      this.#questions.delete(question);
      question.answer(this.#answer(question.id, true));
    }
  }

  #answer(id: ObjectId, waited: boolean): HeadMethods["locateObject"]["result"] {
    const holders = this.reports.get(id)!;
    const [report] = holders.values();
    return { nodes: [...holders.keys()], bytes: report!.bytes, isError: report!.isError, waited };
  }

  #locate(id: ObjectId, wait: boolean, signal: AbortSignal): Promise<HeadMethods["locateObject"]["result"]> {
    if (this.reports.has(id)) return Promise.resolve(this.#answer(id, false));
    if (!wait) return Promise.reject(new ObjectLostError(`${id} is nowhere`, { objectId: id }));
    return new Promise((answer, fail) => {
      const question = { id, answer, fail };
      this.#questions.add(question);
      signal.addEventListener("abort", () => {
        this.#questions.delete(question);
        fail(signal.reason as Error);
      });
    });
  }

  /** The GCS learns that an object is lost. */
  lose(id: ObjectId, error: Error): void {
    for (const question of [...this.#questions]) {
      if (question.id !== id) continue;
      this.#questions.delete(question);
      question.fail(error);
    }
  }

  get openQuestions(): number {
    return this.#questions.size;
  }

  /** The node is gone, and the others are told. */
  kill(name: string): void {
    const nodeId = `n-${name}` as NodeId;
    this.stores.get(nodeId)!.close();
    this.stores.delete(nodeId);
    for (const id of [...this.reports.keys()]) {
      this.reports.get(id)!.delete(nodeId);
      if (this.reports.get(id)!.size === 0) this.reports.delete(id);
    }
    for (const store of this.stores.values()) store.nodeDied(nodeId);
  }

  end(): void {
    for (const store of this.stores.values()) {
      store.check();
      store.close();
    }
    rmSync(this.dir, { recursive: true });
  }
}

/** Stores an object of about `bytes` bytes filled with `fill`, through createObject and writeObject. */
export async function putBytes(
  store: LocalStore,
  owner: ProcessId,
  id: ObjectId,
  options: { home: NodeId; bytes: number; fill?: number; contains?: { id: ObjectId; home: NodeId }[] },
): Promise<void> {
  const bytes = encodeObject({
    body: new Uint8Array([1, 2, 3]),
    buffers: [new Uint8Array(options.bytes).fill(options.fill ?? 7)],
  });
  await store.createObject(owner, { id, size: bytes.byteLength });
  store.writeObject(owner, { id, offset: 0 }, bytes);
  const { home, contains = [] } = options;
  await store.sealObject(owner, { id, home, owner, isError: false, contains });
}
