/**
 * This process's push connection to one worker: opened when first needed, shared by the leases and actors that the worker
 * serves one after the other. What is sent while it opens waits in order.
 * @module
 */
import type { ActorId, NodeId, ProcessId } from "../../common/ids.ts";
import { PushType, readCovered, writeCancel } from "../../protocol/push.ts";
import { ByteReader, ByteWriter } from "../../protocol/serialization/mod.ts";
import type { PushChannel } from "./push_channel.ts";
import type { FunctionRecord } from "./functions.ts";
import type { AskHow } from "./work.ts";

/** Definitions on one connection beyond which names that were given by options are not worth one each. */
const NAMES_MAX = 1_000;

/** Who hears of replies and of the end. */
export interface WorkerLinkObserver {
  replies(link: WorkerLink, header: Uint8Array): void;
  items(link: WorkerLink, header: Uint8Array): void;
  /** Tasks that the worker has not started. `retired`: it takes no more of them. */
  handedBack(link: WorkerLink, header: Uint8Array, retired: boolean): void;
  /** A durable actor has saved what it had answered up to this number. Absent: there are only tasks. */
  covered?(link: WorkerLink, actorId: ActorId, through: number): void;
  opened(link: WorkerLink): void;
  /** Once: it broke, or could not be opened. */
  lost(link: WorkerLink, error: Error | null): void;
}

/** See the module's header. */
export class WorkerLink {
  readonly workerId: ProcessId;
  readonly nodeId: NodeId;
  readonly #observer: WorkerLinkObserver;
  #channel: PushChannel | null = null;
  #waiting: [type: number, header: Uint8Array | string, sections: readonly Uint8Array[] | undefined][] = [];
  readonly #defined = new Map<string, number>();
  /** The same by record, for the way of every task. */
  readonly #indices = new WeakMap<FunctionRecord, number>();
  #lost = false;
  /** What this tick cancels, by how: many calls share a frame, since the worker looks through its queue for each. */
  readonly #cancels: { how: AskHow; sequences: number[] }[] = [];

  constructor(workerId: ProcessId, nodeId: NodeId, open: Promise<PushChannel>, observer: WorkerLinkObserver) {
    this.workerId = workerId;
    this.nodeId = nodeId;
    this.#observer = observer;
    open.then((channel) => this.#opened(channel), (error) => this.#end(error as Error));
  }

  get isLost(): boolean {
    return this.#lost;
  }
  /** Whether anything that was sent may have arrived. */
  get wasOpened(): boolean {
    return this.#channel !== null;
  }

  /** The function's index on this connection; its code goes ahead of the first use. */
  indexOf(record: FunctionRecord): number {
    const known = this.#indices.get(record);
    if (known !== undefined) return known;
    const index = this.#defined.get(record.key) ?? this.#define(record);
    this.#indices.set(record, index);
    return index;
  }

  #define(record: FunctionRecord): number {
    // A name for every task: from here on they go by the function's own.
    if (this.#defined.size >= NAMES_MAX && record.base !== null) {
      const { base } = record;
      const own = base.variant(base.name, record.maxCalls);
      if (own.key !== record.key) return this.indexOf(own);
    }
    const { hash, kind, name, maxCalls } = record;
    const limit = maxCalls === 0 ? {} : { maxCalls };
    const index = this.#defined.size;
    this.#defined.set(record.key, index);
    this.send(PushType.define, JSON.stringify({ index, hash, kind, name, ...limit }), record.sections());
    return index;
  }

  send(type: number, header: Uint8Array | string, sections?: readonly Uint8Array[]): void {
    if (this.#channel !== null) this.#channel.send(type, header, sections);
    // A writer's buffer is reused by the next batch: what waits needs bytes of its own.
    else if (!this.#lost) {
      this.#waiting.push([type, typeof header === "string" ? header : header.slice(), sections]);
    }
  }

  /** Ask the worker to end what was pushed to it. */
  cancel(sequence: number, how: AskHow): void {
    const known = this.#cancels.find((each) =>
      each.how.force === how.force && each.how.recursive === how.recursive
    );
    if (known !== undefined) known.sequences.push(sequence);
    else if (this.#cancels.push({ how, sequences: [sequence] }) === 1) {
      queueMicrotask(() => this.#sendCancels());
    }
  }

  #sendCancels(): void {
    for (const { how, sequences } of this.#cancels.splice(0)) {
      const writer = new ByteWriter();
      writeCancel(writer, { ...how, sequences });
      this.send(PushType.cancel, writer.bytes());
    }
  }

  /** Write what was sent now, if the connection is open. */
  flush(): void {
    this.#channel?.flush();
  }

  close(): void {
    this.#sendCancels();
    this.#lost = true;
    this.#channel?.close();
  }

  #opened(channel: PushChannel): void {
    if (this.#lost) return channel.close();
    this.#channel = channel;
    channel.onClose = (error) => this.#end(error);
    for (const [type, header, sections] of this.#waiting) channel.send(type, header, sections);
    this.#waiting = [];
    try {
      channel.onFrame = (type, _flags, header) => {
        if (type === PushType.replies) this.#observer.replies(this, header);
        else if (type === PushType.items) this.#observer.items(this, header);
        else if (type === PushType.handBack) this.#observer.handedBack(this, header, false);
        else if (type === PushType.retired) this.#observer.handedBack(this, header, true);
        else if (type === PushType.covered) {
          const { actorId, through } = readCovered(new ByteReader(header));
          this.#observer.covered?.(this, actorId, through);
        }
      };
    } catch (error) {
      // A relay delivers at once what had come already, and it was not to be understood.
      channel.close();
      return this.#end(error as Error);
    }
    this.#observer.opened(this);
  }

  #end(error: Error | null): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#waiting = [];
    this.#observer.lost(this, error);
  }
}
