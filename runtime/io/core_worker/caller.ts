/**
 * One submitter as a worker sees it: its push connection, the functions that it has defined, the replies that wait to
 * leave together, and refs in results that stay held until the submitter counts them.
 * @module
 */
import type { ActorId, NodeId, ProcessId } from "../../common/ids.ts";
import type { Hello } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import {
  type Assignment,
  type CancelOrder,
  type FunctionDefinition,
  newHead,
  type PushHead,
  PushType,
  readCancel,
  readPush,
  readSequences,
  writeSequences,
} from "../../protocol/push.ts";
import { type ItemName, readCredit, readItemNames } from "../../protocol/push_items.ts";
import { ByteReader, ByteWriter } from "../../protocol/serialization/mod.ts";
import { loadFunction } from "../function_loader.ts";
import type { Connection } from "../transport/connection.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { Held } from "./actor_uses.ts";
import { ItemOutlet } from "./item_outlet.ts";
import type { Callable, WorkItem } from "./work_item.ts";
import type { ObjectManager } from "./objects.ts";
import { answered } from "./stay_awake.ts";

/** A function that a caller defined here; loaded when it is first called. */
export class LoadedFunction {
  readonly name: string;
  readonly hash: string;
  /** Runs after which the worker ends; 0: no limit. */
  readonly maxCalls: number;
  /** Null until it is loaded. */
  callable: Callable | null = null;
  readonly #core: CoreWorker;
  readonly #definition: FunctionDefinition;
  readonly #sections: readonly Uint8Array[];
  #loading: Promise<Callable> | null = null;

  constructor(core: CoreWorker, definition: FunctionDefinition, sections: readonly Uint8Array[]) {
    this.#core = core;
    this.#definition = definition;
    this.#sections = sections.map((section) => section.slice());
    this.name = definition.name;
    this.hash = definition.hash;
    this.maxCalls = definition.maxCalls ?? 0;
  }

  load(): Promise<Callable> {
    this.#loading ??= loadCode(this.#core, this.#definition, this.#sections).then(
      (code) => this.callable = code as Callable,
      (error) => {
        this.#loading = null; // The function table may be out of reach now and answer the next time.
        throw error;
      },
    );
    return this.#loading;
  }
}

/** Code from its source (empty: it is in the function table) and captures. A class for kind "class". */
export async function loadCode(
  core: CoreWorker,
  { hash, kind, name }: Omit<FunctionDefinition, "index">,
  sections: readonly Uint8Array[],
): Promise<unknown> {
  let source = sections[0] === undefined ? "" : new TextDecoder().decode(sections[0]);
  let captured: Uint8Array | null = sections[1] ?? null;
  if (source === "") ({ source, captures: captured } = await core.functions.fetch(hash));
  for (;;) {
    try {
      const captures = captured === null ? {} : core.codec.decode(captured, null) as Record<string, unknown>;
      return await loadFunction({ source, kind, hash, name, captures });
    } catch (error) {
      if (!await core.codec.recover(error)) throw error;
    }
  }
}

/** Functions that one connection may define. */
const FUNCTIONS_MAX = 100_000;

/** Calls in a row to one light actor. */
export interface HostedItems {
  readonly actorId: ActorId;
  readonly items: WorkItem[];
}

/** Who runs what a caller pushes. */
export interface PushReceiver {
  receive(items: readonly WorkItem[]): void;
  /** Whether a light actor is hosted here, in this incarnation. */
  hosts(actorId: ActorId, incarnation: number): boolean;
  /** Calls to light actors that are hosted here. */
  receiveHosted(runs: readonly HostedItems[]): void;
  cancel(caller: Caller, order: CancelOrder): void;
}

/** See the module's header. */
export class Caller {
  readonly id: ProcessId;
  readonly node: NodeId;
  /** Replies that wait for the next flush. */
  readonly replies: ByteWriter = new ByteWriter();
  /** Items that wait for the next flush. */
  readonly items: ByteWriter = new ByteWriter();
  /** What the caller's present lease holds. */
  assigned: Assignment = { resources: {}, gpuIds: [] };
  readonly #core: CoreWorker;
  readonly #connection: Connection;
  readonly #functions: LoadedFunction[] = [];
  /** Generators that wait or run, by sequence. */
  readonly #outlets = new Map<number, ItemOutlet>();
  /** By sequence, or by itemKey. */
  readonly #lent = new Map<number | string, { entries: readonly Held[]; objects: ObjectManager }>();
  readonly #receiver: PushReceiver;

  constructor(core: CoreWorker, connection: Connection, hello: Hello, receiver: PushReceiver) {
    if (hello.nodeId === undefined) throw new ProtocolError("a push connection must name its node");
    this.id = hello.id as ProcessId;
    this.node = hello.nodeId;
    this.#core = core;
    this.#connection = connection;
    this.#receiver = receiver;
  }

  /** One frame of the push connection. */
  frame(type: number, header: Uint8Array, sections: readonly Uint8Array[]): void {
    switch (type) {
      case PushType.define:
        return this.#define(JSON.parse(new TextDecoder().decode(header)) as FunctionDefinition, sections);
      case PushType.assign:
        this.assigned = JSON.parse(new TextDecoder().decode(header)) as Assignment;
        return;
      case PushType.pushTasks:
        answered();
        return this.#receiver.receive(this.#readItems(header, false));
      case PushType.pushCalls:
        answered();
        return this.#receiver.receive(this.#readItems(header, true));
      case PushType.pushHosted:
        answered();
        return this.#receiver.receiveHosted(this.#readHosted(header));
      case PushType.cancel:
        return this.#cancel(readCancel(new ByteReader(header)));
      case PushType.returned:
        for (const sequence of readSequences(new ByteReader(header))) this.#release(sequence);
        return;
      case PushType.itemsReturned:
        for (const name of readItemNames(new ByteReader(header))) this.#release(itemKey(name));
        return;
      case PushType.credits: {
        const credit = readCredit(new ByteReader(header));
        this.#outlets.get(credit.sequence)?.credited(credit);
        return;
      }
      case PushType.stopItems:
        for (const sequence of readSequences(new ByteReader(header))) this.#outlets.get(sequence)?.stop();
        return;
      default:
        throw new ProtocolError(`frame of type ${type} on a push connection`);
    }
  }

  /** A generator ends at its next yield, also from where it stands. */
  #cancel(order: CancelOrder): void {
    for (const sequence of order.sequences) this.#outlets.get(sequence)?.stop();
    this.#receiver.cancel(this, order);
  }

  sendReplies(): void {
    if (this.items.position > 0) {
      this.#connection.send(PushType.items, this.items.bytes());
      this.items.reset();
    }
    if (this.replies.position === 0) return;
    this.#connection.send(PushType.replies, this.replies.bytes());
    this.replies.reset();
    // Not at the end of the tick: its caller goes on while this process does the rest. What was told to the agent is ahead of it.
    this.#core.link.flush();
    this.#connection.flush();
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  send(type: number, header: Uint8Array): void {
    this.#connection.send(type, header);
  }

  /** Resolves when the caller's connection takes more, or is over. */
  async writable(): Promise<void> {
    if (!this.#connection.writable) await this.#connection.drained().catch(() => undefined);
  }

  /** A task has its reply: a generator takes no credits any more. */
  answered(sequence: number): void {
    if (this.#outlets.size > 0) this.#outlets.delete(sequence);
  }

  /** Tasks that were not started. `retired`: no more are taken. */
  handBack(sequences: readonly number[], retired: boolean): void {
    for (const sequence of sequences) this.#outlets.delete(sequence);
    const writer = new ByteWriter();
    writeSequences(writer, sequences);
    this.#connection.send(retired ? PushType.retired : PushType.handBack, writer.bytes());
  }

  /** Refs in the results of this task are on their way: keep them until the caller says that it counts them. */
  lend(sequence: number, entries: readonly Held[], objects: ObjectManager): void {
    this.#lend(sequence, entries, objects);
  }

  /** The same for an item. */
  lendItem(name: ItemName, entries: readonly Held[], objects: ObjectManager): void {
    this.#lend(itemKey(name), entries, objects);
  }

  #lend(key: number | string, entries: readonly Held[], objects: ObjectManager): void {
    if (!this.#connection.isOpen) return; // Nobody will say it.
    for (const entry of entries) entry.count++;
    this.#release(key); // Of an attempt whose error was not the last word.
    this.#lent.set(key, { entries, objects });
  }

  /** Whether refs in results wait for the caller to count them. */
  get isLending(): boolean {
    return this.#lent.size > 0;
  }

  /** The connection is over. Generators end: nobody reads them. */
  closed(): void {
    for (const outlet of this.#outlets.values()) outlet.stop();
    for (const key of [...this.#lent.keys()]) this.#release(key);
  }

  #release(key: number | string): void {
    const lent = this.#lent.get(key);
    if (lent === undefined) return;
    this.#lent.delete(key);
    for (const entry of lent.entries) lent.objects.drop(entry);
  }

  #define(definition: FunctionDefinition, sections: readonly Uint8Array[]): void {
    const { index, kind } = definition;
    if (index !== this.#functions.length || index >= FUNCTIONS_MAX || kind !== "function") {
      throw new ProtocolError(`function ${index} defined out of turn`);
    }
    this.#functions.push(new LoadedFunction(this.#core, definition, sections));
  }

  #readItems(header: Uint8Array, isCall: boolean): WorkItem[] {
    const reader = new ByteReader(header);
    const head = newHead();
    const items: WorkItem[] = [];
    while (reader.remaining > 0) {
      const args = readPush(reader, head, isCall);
      const target = isCall ? null : this.#functions[head.target as number];
      if (target === undefined) throw new ProtocolError(`task of the unknown function ${head.target}`);
      items.push(this.#itemOf(head, target, args));
    }
    return items;
  }

  /** Calls to actors that have ended here are nobody's: the GCS tells their callers. */
  #readHosted(header: Uint8Array): HostedItems[] {
    const reader = new ByteReader(header);
    const head = newHead();
    const runs: HostedItems[] = [];
    let items: WorkItem[] | null = null;
    while (reader.remaining > 0) {
      const actorId = reader.string() as ActorId;
      if (actorId !== "") {
        items = this.#receiver.hosts(actorId, reader.varint()) ? [] : null;
        if (items !== null) runs.push({ actorId, items });
      }
      const args = readPush(reader, head, true);
      if (items !== null) items.push(this.#itemOf(head, null, args));
    }
    return runs;
  }

  #itemOf(head: Readonly<PushHead>, target: LoadedFunction | null, args: Uint8Array): WorkItem {
    const { sequence, attempt, numReturns, depth, as, group } = head;
    const items = head.items === null ? null : new ItemOutlet(head.items, attempt);
    if (items !== null) this.#outlets.set(sequence, items);
    return {
      caller: this,
      sequence,
      attempt,
      numReturns,
      depth,
      as,
      group,
      target,
      method: target === null ? head.target as string : "",
      args,
      items,
      context: null,
      cancelled: false,
      answered: false,
    };
  }
}

function itemKey([sequence, index]: ItemName): string {
  return `${sequence}.${index}`;
}
