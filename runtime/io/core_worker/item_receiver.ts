/**
 * The items of one generator call at its caller: reports in, credits and stop out, retries matched by index. What becomes of
 * items is the subclass's: a stream that somebody reads (item_stream.ts), or refs that exist already (fixed_items.ts).
 *
 * The call's own result, which is nothing, is the entry `ended`: it settles with the call's reply, or with what the call
 * failed of, wherever that was found out. Item k is the call's return k + 1.
 * @module
 */
import { type NodeId, returnId, type TaskId, taskId } from "../../common/ids.ts";
import type { StandingFacts } from "../../common/why_facts.ts";
import { ItemReader } from "../../core/worker/item_reader.ts";
import { type ItemsRequest, PushType, writeSequences } from "../../protocol/push.ts";
import {
  type ItemName,
  type ItemReport,
  newItemReport,
  readItem,
  writeCredit,
  writeItemNames,
} from "../../protocol/push_items.ts";
import { ByteReader, ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CoreContext } from "./core_context.ts";
import { Entry, type EntryWaiter } from "./entry.ts";
import { holdReplyRef } from "./replies.ts";
import type { WorkerLink } from "./worker_link.ts";

/** An item that came: a small value as its bytes (a view of its frame), anything else as its entry, counted once. */
export type Item = Uint8Array | Entry;

/** Stored items are looked through for those that nobody refers to when there are twice as many as the last time. */
const SWEEP_MIN = 64;

/** What takes the items of one generator's runs, at its caller. */
export interface ItemTaker {
  readonly ended: Entry;
  /** Of all items that came. */
  readonly bytes: number;
  /** Its producer may not go on until somebody reads; null: it may. */
  readonly standing: StandingFacts | null;
  pushed(link: WorkerLink, attempt: number): ItemsRequest;
  report(report: ItemReport, link: WorkerLink): void;
  tell(): void;
}

/** What every generator call is made with. */
export interface ItemCallInit {
  readonly core: CoreContext;
  readonly sequence: number;
  /** Of the function or method, for people. */
  readonly name: string;
  /** How many unread items it may be ahead; 0: no limit. */
  readonly backpressure: number;
  /** How many items there are refs for; null: as many as come. */
  readonly limit: number | null;
}

/** See the module's header. */
export abstract class ItemReceiver implements EntryWaiter, ItemTaker {
  readonly ended: Entry;
  /** Of all items that came. */
  bytes = 0;
  protected readonly init: ItemCallInit;
  protected readonly reader: ItemReader<Item>;
  #attempt = 0;
  #link: WorkerLink | null = null;

  get standing(): StandingFacts | null {
    const { backpressure: limit } = this.init;
    const { unread } = this.reader;
    return limit > 0 && unread >= limit ? { unread, limit } : null;
  }

  constructor(init: ItemCallInit) {
    this.init = init;
    this.reader = new ItemReader<Item>(init.backpressure, inlineBytes);
    this.ended = Entry.ofReturn(init.core.identity, init.sequence, 0, init.name);
    this.ended.count++;
    this.ended.onSettled(this);
  }

  /** An item is unread. */
  protected abstract arrived(): void;
  /** Nothing more will come; an encoded error, or null. */
  protected abstract finished(error: Uint8Array | null): void;

  get id(): TaskId {
    return taskId(this.init.core.identity.self, this.init.sequence);
  }

  get isStopped(): boolean {
    return this.reader.hasLeft;
  }

  /** How many retries were left when the reader left; null when it has not. */
  retriesAtLeave: number | null = null;
  /** Items that were stored, and may be referenced still. */
  #stored: number[] = [];
  #sweepAt: number = SWEEP_MIN;

  /** An attempt goes to a worker; answers what that must know. */
  pushed(link: WorkerLink, attempt: number): ItemsRequest {
    const { backpressure, limit } = this.init;
    this.#link = link;
    this.#attempt = attempt;
    const request = { backpressure, limit, ...this.reader.begin(attempt), wanted: null };
    // The reader left while the call was on its way back from a worker that did not start it. Behind its push.
    if (this.isStopped) queueMicrotask(() => this.#sendStop());
    return request;
  }

  /** One item of a worker. Throws for what no worker would send. */
  report(report: ItemReport, link: WorkerLink): void {
    const { attempt, index, contains } = report;
    if (link !== this.#link) return; // Of a worker that was given up.
    if (attempt !== this.#attempt || index < this.reader.received) return this.#acknowledge(report);
    const item = this.#itemOf(report, link.nodeId);
    const arrival = this.reader.report(attempt, index, item);
    this.bytes += report.bytes?.length ?? report.size;
    if (contains.length > 0) this.#acknowledge(report);
    if (arrival === "unread") this.arrived();
    else this.drop(item);
  }

  /** After any number of reports and reads. */
  tell(): void {
    const credit = this.reader.credit();
    if (credit === null || this.#link === null) return;
    const writer = new ByteWriter(32);
    writeCredit(writer, { sequence: this.init.sequence, attempt: this.#attempt, ...credit });
    this.#link.send(PushType.credits, writer.bytes());
  }

  /** The reader wants no more: what was not read is freed, and the generator returns. Idempotent. */
  leave(): void {
    if (this.isStopped) return;
    for (const item of this.reader.leave()) this.drop(item);
    const work = this.ended.maker;
    if (work === null) return;
    // It does not start, or returns at its next yield, and is not tried again.
    this.retriesAtLeave = work.retriesLeft;
    work.retriesLeft = 0;
    if (!work.withdraw()) this.#sendStop();
  }

  #sendStop(): void {
    const writer = new ByteWriter(16);
    writeSequences(writer, [this.init.sequence]);
    this.#link?.send(PushType.stopItems, writer.bytes());
  }

  entrySettled(ended: Entry): void {
    this.#link = null;
    const error = ended.state === "error" ? ended.payload as Uint8Array : null;
    if (error !== null) this.#disownNext();
    this.finished(error);
    // Not while it is being settled.
    queueMicrotask(() => this.init.core.objects.drop(ended));
  }

  protected drop(item: Item): void {
    if (!(item instanceof Uint8Array)) this.init.core.objects.drop(item);
  }

  #itemOf({ index, bytes, size, contains }: ItemReport, node: NodeId): Item {
    if (bytes !== null && contains.length === 0) return bytes;
    const { core } = this.init;
    const entry = this.entryOf(index);
    entry.count++;
    const held = contains.map((ref) => holdReplyRef(core, ref));
    if (bytes !== null) core.objects.settleInline(entry, bytes, held);
    else {
      core.objects.settleStored(entry, node, size, held);
      this.#noteStored(index);
    }
    return entry;
  }

  /** Stored items that are referenced, as returns of the call. */
  storedReturns(): number[] {
    return this.#stored.filter((index) => {
      const entry = this.init.core.objects.find(returnId(this.id, index));
      return entry !== undefined && !entry.released;
    });
  }

  #noteStored(index: number): void {
    this.#stored.push(index + 1);
    if (this.#stored.length < this.#sweepAt) return;
    this.#stored = this.storedReturns();
    this.#sweepAt = Math.max(SWEEP_MIN, 2 * this.#stored.length);
  }

  /** The pending entry that an item settles. */
  protected entryOf(index: number): Entry {
    const { core, sequence, name } = this.init;
    return Entry.ofReturn(core.identity, sequence, index + 1, name);
  }

  #acknowledge(report: ItemReport): void {
    if (this.#link !== null) acknowledgeItem(this.init.core, this.#link, report);
  }

  /** A worker that crashes may have stored one more item than it could report: nobody will ever ask for that. */
  #disownNext(): void {
    const { core } = this.init;
    const { node: home } = core.identity;
    if (home === "" || core.closedReason !== null) return;
    core.link.reference({ op: "disown", id: returnId(this.id, this.reader.received + 1), home });
  }
}

/** Its worker holds the item's refs until they are counted here; of an item that is not wanted, nothing is. */
export function acknowledgeItem(
  core: CoreContext,
  link: WorkerLink,
  { sequence, index, contains }: ItemReport,
): void {
  if (contains.length === 0) return;
  const names: ItemName[] = [[sequence, index]];
  core.link.confirmHolds().then(() => {
    const writer = new ByteWriter(16);
    writeItemNames(writer, names);
    link.send(PushType.itemsReturned, writer.bytes());
  }, () => undefined); // The agent is gone; the worker lets go when the connection ends.
}

/** What of an item counts against UNREAD_BYTES_MAX: nothing of a stored one. */
function inlineBytes(item: Item): number {
  if (item instanceof Uint8Array) return item.length;
  return item.state === "stored" ? 0 : item.bytes;
}

/** Pass the items of one frame on. `receiverOf`: null for a call that has ended, whose items are late. */
export function receiveItems(
  link: WorkerLink,
  header: Uint8Array,
  receiverOf: (sequence: number) => ItemTaker | null,
): void {
  // Unread items are views of it.
  const reader = new ByteReader(header.slice());
  const report = newItemReport();
  let receiver: ItemTaker | null = null;
  let sequence = -1;
  while (reader.remaining > 0) {
    readItem(reader, report);
    if (report.sequence !== sequence) {
      receiver?.tell();
      ({ sequence } = report);
      receiver = receiverOf(sequence);
    }
    receiver?.report(report, link);
  }
  receiver?.tell();
}
