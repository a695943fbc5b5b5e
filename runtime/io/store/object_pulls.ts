/**
 * Does what the pull manager decides: asks for locations, makes room, transfers, and tells those who wait.
 * @module
 */
import { errorOfCode, OutOfDiskError } from "../../common/errors.ts";
import { type NodeId, type ObjectId, type ProcessId, taskOfObject, workerId } from "../../common/ids.ts";
import type { PullFacts } from "../../common/why_facts.ts";
import type { ByteRange } from "../../core/object/pull_ranges.ts";
import type { PullRoom } from "../../core/object/pull_admission.ts";
import { PullManager } from "../../core/object/pull_manager.ts";
import type { PullEffect, PullEvent, PullPurpose, WantedObject } from "../../core/object/pull_types.ts";
import { RELAYED_BYTES_MIN } from "../../core/object/fan_out.ts";
import { Bandwidth } from "./bandwidth.ts";
import { IncomingObject } from "./incoming_object.ts";
import type { PulledRanges } from "./pulled_ranges.ts";
import { fetchRange } from "./range_fetch.ts";
import { type Received, ReceivedBytes } from "./received_bytes.ts";
import type { StoreHost } from "./store_host.ts";

/** What pulls need of the store around them. */
export interface PullStore {
  readonly host: StoreHost;
  nowMs(): number;
  readonly capacity: number;
  readonly room: PullRoom;
  /** A spilled object, which is pulled from this node's own disk; null for others. */
  spilled(id: ObjectId): { readonly bytes: number; readonly isError: boolean } | null;
  readonly ranges: PulledRanges;
  pin(holder: string, id: ObjectId): void;
  unpin(holder: string, id: ObjectId): void;
}

/** Prefetches of a node at once; a further one takes the place of the oldest. */
export const PREFETCHES_MAX: number = 100;

/** Somebody who waits for objects. Exactly one of the two is called, in the step that decides it. */
export interface PullWaiter {
  ready(): void;
  failed(error: Error): void;
}

interface Located {
  readonly home: NodeId;
  isError: boolean;
  question: AbortController | null;
}

export class ObjectPulls {
  readonly #store: PullStore;
  readonly #manager: PullManager;
  readonly #waiters = new Map<string, PullWaiter>();
  /** Keys of prefetches, the oldest first. */
  readonly #prefetches = new Set<string>();
  readonly #located = new Map<ObjectId, Located>();
  readonly #incoming = new Map<ObjectId, IncomingObject>();
  /** Why an object was wanted first, for traces; only while it is being pulled. */
  readonly #purposes = new Map<ObjectId, PullPurpose>();
  /** From where a copy came, until it is gone: when that node dies, the copy is the one to keep. */
  readonly #sources = new Map<ObjectId, NodeId>();
  readonly #bandwidth = new Bandwidth();
  readonly #received = new ReceivedBytes();
  readonly #events: PullEvent[] = [];
  #stepping = false;
  #questions = 0;
  #timer: NodeJS.Timeout | null = null;
  #timerMs = Infinity;

  constructor(store: PullStore) {
    this.#store = store;
    this.#manager = new PullManager(store.room);
  }

  get count(): number {
    return this.#manager.pullCount;
  }

  /** An object on its way here, for people; null when it is not. */
  facts(id: ObjectId): PullFacts | null {
    const pull = this.#manager.pull(id);
    if (pull === undefined) return null;
    const { state, bytes, senders, lastError } = pull;
    const arrivedBytes = this.#incoming.get(id)?.arrivedBytes ?? 0;
    return { id, state, bytes, arrivedBytes, from: [...senders.keys()], lastError };
  }

  /** All objects on their way here, for people. */
  all(): Iterable<
    { readonly id: ObjectId; readonly home: NodeId; readonly state: string; readonly bytes: number }
  > {
    return this.#manager.pulls();
  }

  /** An object on its way here that has room in the pool, for those who send it on. */
  incoming(id: ObjectId): IncomingObject | null {
    const incoming = this.#incoming.get(id);
    return typeof incoming?.offset === "number" ? incoming : null;
  }

  bandwidth(): Record<NodeId, number> {
    return this.#bandwidth.perNode();
  }

  received(): Iterable<[NodeId, Readonly<Received>]> {
    return this.#received.all();
  }

  /** Waits for objects under a new key; `local` are those of them that are here. */
  want(
    options: {
      readonly key: string;
      readonly purpose: PullPurpose;
      readonly fetch: boolean;
      readonly bundle: boolean;
      readonly objects: readonly WantedObject[];
      readonly local: ReadonlySet<ObjectId>;
      readonly depth?: number;
    },
    waiter: PullWaiter,
  ): void {
    this.#waiters.set(options.key, waiter);
    for (const { id } of options.objects) {
      if (!options.local.has(id) && !this.#purposes.has(id)) this.#purposes.set(id, options.purpose);
    }
    this.step({ type: "wanted", ...options });
  }

  /** Brings an object here ahead of need while there is room, as long as the key is not cancelled. Nobody hears how it ends. */
  prefetch(key: string, object: WantedObject): void {
    if (this.#prefetches.has(key)) return;
    const [oldest] = this.#prefetches;
    if (this.#prefetches.size >= PREFETCHES_MAX) this.cancel(oldest!, new Error("Others are fetched ahead"));
    this.#prefetches.add(key);
    const over = (): void => void this.#prefetches.delete(key);
    this.want(
      { key, purpose: "prefetch", fetch: true, bundle: false, objects: [object], local: new Set() },
      { ready: over, failed: over },
    );
  }

  /** Nobody waits under the key any more; the waiter fails with `reason`. Unknown keys are ignored. */
  cancel(key: string, reason: Error): void {
    const waiter = this.#waiters.get(key);
    if (waiter === undefined) return;
    this.#waiters.delete(key);
    this.step({ type: "cancelled", key });
    waiter.failed(reason);
  }

  /** Cancels all keys that begin with `prefix`. */
  cancelAllOf(prefix: string, reason: Error): void {
    for (const key of [...this.#waiters.keys()]) if (key.startsWith(prefix)) this.cancel(key, reason);
  }

  /** The object left this node, or its memory. */
  removed(id: ObjectId): void {
    this.#sources.delete(id);
    this.step({ type: "removed", id });
  }

  /** A node died. Answers the copies here that came from it. */
  nodeDied(node: NodeId): ObjectId[] {
    this.step({ type: "nodeDied", node });
    return [...this.#sources].filter(([, source]) => source === node).map(([id]) => id);
  }

  /** One event after the other: what an effect brings about (an eviction, say) waits until its step is done. */
  step(event: PullEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        for (const effect of this.#manager.step(this.#store.nowMs(), next)) this.#perform(effect);
      }
      // Those whose bytes nobody sends us any more need not wait for them.
      for (const incoming of this.#incoming.values()) if (incoming.isAwaited) incoming.settle();
    } finally {
      this.#stepping = false;
    }
  }

  #perform(effect: PullEffect): void {
    switch (effect.type) {
      case "locate":
        void this.#locate(effect.id, effect.home, effect.at);
        break;
      case "ended":
        this.#forget(effect.id);
        break;
      case "reserve":
        void this.#reserve(effect.id, effect.bytes);
        break;
      case "release":
        this.#drop(effect.id);
        this.#store.ranges.release(effect.id);
        break;
      case "fetch":
        void this.#fetch(effect);
        break;
      case "cancelFetch":
        this.#stopTransfers(effect.id, effect.node);
        break;
      case "pin":
        this.#store.pin(effect.key, effect.id);
        break;
      case "unpin":
        this.#store.unpin(effect.key, effect.id);
        break;
      case "ready":
        this.#take(effect.key)?.ready();
        break;
      case "failed":
        this.#take(effect.key)?.failed(failureOf(effect));
        break;
      case "setTimer":
        this.#setTimer(effect.atMs);
        break;
      default:
        effect satisfies never;
    }
  }

  #take(key: string): PullWaiter | undefined {
    const waiter = this.#waiters.get(key);
    this.#waiters.delete(key);
    return waiter;
  }

  #forget(id: ObjectId): void {
    this.#located.get(id)?.question?.abort();
    this.#located.delete(id);
    this.#purposes.delete(id);
  }

  async #locate(id: ObjectId, home: NodeId, at: NodeId | undefined): Promise<void> {
    const { host } = this.#store;
    this.#located.get(id)?.question?.abort();
    const spilled = this.#store.spilled(id);
    if (spilled !== null) {
      this.#located.set(id, { home, isError: spilled.isError, question: null });
      return this.step({ type: "located", id, nodes: [host.nodeId], bytes: spilled.bytes });
    }
    const question = new AbortController();
    const located: Located = { home, isError: false, question };
    this.#located.set(id, located);
    const requestId = `${host.nodeId}-${++this.#questions}`;
    this.#trace("lookup", id, `asked the GCS for the locations of ${id}`);
    try {
      const answer = await host.locate({ requestId, id, home, at, wait: true }, question.signal);
      if (this.#located.get(id) !== located) return; // Cancelled, or asked again.
      located.question = null;
      located.isError = answer.isError;
      if (answer.waited) this.#trace("callback", id, `it did not exist; the GCS called back`);
      // Our own name is stale news: the copy was evicted, and the report is on its way.
      const nodes = answer.nodes.filter((node) => node !== host.nodeId);
      this.step({ type: "located", id, nodes, bytes: answer.bytes });
    } catch (error) {
      if (this.#located.get(id) !== located) return;
      const { code, message } = error as { code?: string; message?: string };
      this.step({
        type: "locateFailed",
        id,
        code: code ?? "ObjectLostError",
        message: message ?? String(error),
      });
    }
  }

  async #reserve(id: ObjectId, bytes: number): Promise<void> {
    const incoming = new IncomingObject(id, bytes);
    this.#incoming.set(id, incoming);
    try {
      const offset = await this.#store.ranges.reserve(id, bytes);
      if (this.#incoming.get(id) !== incoming) return; // Released meanwhile.
      incoming.offset = offset;
      if (offset === null) incoming.memory = new Uint8Array(bytes);
      this.step({ type: "reserved", id });
    } catch (error) {
      if (this.#incoming.get(id) !== incoming) return;
      this.#incoming.delete(id);
      const { message } = error as Error;
      const code = error instanceof OutOfDiskError ? "OutOfDiskError" : "ObjectStoreFullError";
      this.step({ type: "reserveFailed", id, forever: bytes > this.#store.capacity, code, message });
    }
  }

  async #fetch(effect: Extract<PullEffect, { type: "fetch" }>): Promise<void> {
    const { id, node } = effect;
    const incoming = this.#incoming.get(id)!;
    const range = effect.range ?? { offset: 0, length: incoming.bytes };
    const startBytes = incoming.goodBytes(range);
    const abort = new AbortController();
    incoming.transfers.set(node, { range, abort });
    const startMs = this.#store.nowMs();
    const isOwn = node === this.#store.host.nodeId;
    this.#trace("pull", id, `${range.length} bytes from ${isOwn ? "this node's disk" : node}`);
    try {
      if (isOwn) await this.#restore(incoming, abort.signal);
      else await this.#stream(effect, incoming, range, abort.signal);
      if (abort.signal.aborted) return;
      if (incoming.goodBytes(range) !== range.length) {
        throw new Error(`${id} ended after ${incoming.goodFrom(range.offset)} of ${incoming.bytes} bytes`);
      }
    } catch (error) {
      if (abort.signal.aborted) return;
      abort.abort();
      incoming.transfers.delete(node);
      // What came after the last good checksum is fetched again, from the next holder.
      incoming.forgetUnchecked(incoming.partsIn(range));
      this.step(this.#failureOf(id, node, incoming.goodBytes(range) > startBytes, error));
      return;
    }
    incoming.transfers.delete(node);
    this.#received.from(node).transfers++;
    if (!isOwn) {
      this.#bandwidth.add(node, range.length - startBytes, this.#store.nowMs() - startMs);
      this.#sources.set(id, node);
    }
    // Of several holders that end together, the first to be heard of has completed it.
    if (incoming.state !== "coming") return;
    if (incoming.isComplete) this.#complete(incoming);
    else this.step({ type: "fetched", id, node });
  }

  async #restore(incoming: IncomingObject, signal: AbortSignal): Promise<void> {
    const { id, memory } = incoming;
    const received = this.#received.from(this.#store.host.nodeId);
    let at = incoming.goodFrom(0);
    const arrived = (bytes: number): void => {
      received.bytes += Math.max(0, bytes - at);
      at = Math.max(at, bytes);
      incoming.checked(0, bytes);
    };
    await this.#store.ranges.restore(id, { from: at, memory, signal, arrived });
  }

  async #stream(
    { id, node, insists }: Extract<PullEffect, { type: "fetch" }>,
    incoming: IncomingObject,
    range: ByteRange,
    signal: AbortSignal,
  ): Promise<void> {
    const { host, ranges } = this.#store;
    const received = this.#received.from(node);
    let mayRefer = insists !== true && incoming.bytes >= RELAYED_BYTES_MIN;
    const fetch = async (run: ByteRange, lane: number, began: () => void): Promise<void> => {
      const sink = (offset: number, bytes: Uint8Array): void => {
        // The range may belong to another object by now.
        if (signal.aborted) throw new Error(`The transfer of ${id} was cancelled`);
        const end = offset + bytes.byteLength;
        if (
          offset < run.offset || end > run.offset + run.length || !incoming.receive(offset, bytes.byteLength)
        ) {
          throw new Error(`${id} has ${incoming.bytes} bytes; ${node} sent ${bytes.byteLength} at ${offset}`);
        }
        if (incoming.memory !== null) incoming.memory.set(bytes, offset);
        else ranges.write(incoming.offset! + offset, bytes);
        received.bytes += bytes.byteLength;
        began();
      };
      const onChecked = (offset: number): void => incoming.checked(run.offset, offset);
      const wanted = { id, ...run, mayRefer, lane };
      // Who is sent it already is not referred to others.
      mayRefer = false;
      await host.fetchObject(node, wanted, { sink, onChecked }, signal);
    };
    // A relay too is asked over several: it gets parts side by side itself, and sends each on as it comes.
    await fetchRange({ incoming, range, lanes: host.lanes, signal, fetch });
  }

  #failureOf(id: ObjectId, node: NodeId, progress: boolean, error: unknown): PullEvent {
    const { code, message, holders } = error as {
      code?: string;
      message: string;
      holders?: readonly NodeId[];
    };
    if (code === "ReferredError" && holders !== undefined) {
      this.#trace("pull", id, `0 bytes from ${node}, which sends to others: ${holders.join(", ")}`);
      return { type: "referred", id, node, to: holders.filter((to) => to !== this.#store.host.nodeId) };
    }
    return { type: "fetchFailed", id, node, absent: code === "ObjectNotHereError", progress, message };
  }

  /** Ends the object's transfers, or that from one node; what they have not checked is fetched again. */
  #stopTransfers(id: ObjectId, only?: NodeId): void {
    const incoming = this.#incoming.get(id);
    for (const [node, { range, abort }] of incoming?.transfers ?? []) {
      if (only !== undefined && node !== only) continue;
      abort.abort();
      incoming!.transfers.delete(node);
      incoming!.forgetUnchecked(incoming!.partsIn(range));
    }
  }

  /** Its room goes back: whoever is sent it on gets no more of it. */
  #drop(id: ObjectId): void {
    this.#stopTransfers(id);
    const incoming = this.#incoming.get(id);
    this.#incoming.delete(id);
    incoming?.end("dropped");
  }

  #complete(incoming: IncomingObject): void {
    const { id, memory } = incoming;
    const located = this.#located.get(id);
    this.#incoming.delete(id);
    const seal = {
      home: located?.home ?? this.#store.host.nodeId,
      // The GCS knows the owner from the primary copy's report; an id names it but for its kind.
      owner: ownerOf(id),
      isError: located?.isError ?? false,
      producer: undefined,
      primary: false,
    };
    this.#store.ranges.seal(id, seal, memory, incoming.readers);
    incoming.end("sealed");
  }

  /** The object is on this node: whoever waits for it wakes. */
  sealed(id: ObjectId): void {
    if (this.#purposes.has(id)) this.#trace("wake", id, `${id} is on this node`);
    this.step({ type: "sealed", id });
  }

  #trace(name: "lookup" | "callback" | "pull" | "wake", id: ObjectId, detail: string): void {
    this.#store.host.step?.({ name, id, purpose: this.#purposes.get(id) ?? "get", detail });
  }

  #setTimer(atMs: number): void {
    if (this.#timer !== null && this.#timerMs <= atMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timerMs = atMs;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.step({ type: "timer" });
    }, Math.max(0, atMs - this.#store.nowMs()));
  }

  check(): void {
    this.#manager.check();
  }

  /** Fails all waiters with `reason`. */
  close(reason: Error): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    for (const key of [...this.#waiters.keys()]) this.cancel(key, reason);
    for (const id of [...this.#incoming.keys()]) this.#drop(id);
  }
}

function failureOf({ id, code, message }: Extract<PullEffect, { type: "failed" }>): Error {
  return errorOfCode(code, message, { objectId: id, taskId: taskOfObject(id) });
}

function ownerOf(id: ObjectId): ProcessId {
  return workerId(id.slice(2, id.lastIndexOf("-")));
}
