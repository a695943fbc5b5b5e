/**
 * The items of a generator that is run again because some were lost: what comes goes into the entries that are there already,
 * by its index; the others are not made. Item k is the call's return k + 1.
 * @module
 */
import { ObjectReconstructionFailedError } from "../../common/errors.ts";
import { ITEM_OVERHEAD_BYTES, UNREAD_BYTES_MAX } from "../../core/worker/item_reader.ts";
import { type ItemsRequest, PushType } from "../../protocol/push.ts";
import { type ItemReport, writeCredit } from "../../protocol/push_items.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CoreContext } from "./core_context.ts";
import { Entry, type EntryWaiter } from "./entry.ts";
import { acknowledgeItem, type ItemTaker } from "./item_receiver.ts";
import { holdReplyRef } from "./replies.ts";
import type { WorkerLink } from "./worker_link.ts";

export interface RemadeItemsInit {
  readonly core: CoreContext;
  /** Of the run. */
  readonly sequence: number;
  /** Of the call whose items they are: the run itself where they have new ids. */
  readonly of: number;
  readonly name: string;
  /** How many items there are refs for; null: as many as come. */
  readonly limit: number | null;
  /** Pending ones, by index. */
  readonly entries: ReadonlyMap<number, Entry>;
}

/** See the module's header. */
export class RemadeItems implements ItemTaker, EntryWaiter {
  readonly ended: Entry;
  readonly of: number;
  bytes = 0;
  /** Nobody reads them one by one. */
  readonly standing = null;
  readonly #init: RemadeItemsInit;
  #attempt = 0;
  #link: WorkerLink | null = null;
  /** What came in this attempt, and how much of it inline, and what its worker was told of that. */
  #items = 0;
  #inlineBytes = 0;
  #toldBytes = 0;

  constructor(init: RemadeItemsInit) {
    this.#init = init;
    this.of = init.of;
    this.ended = Entry.ofReturn(init.core.identity, init.sequence, 0, init.name);
    this.ended.count++;
    this.ended.onSettled(this);
  }

  pushed(link: WorkerLink, attempt: number): ItemsRequest {
    const { entries, limit } = this.#init;
    this.#link = link;
    this.#attempt = attempt;
    this.#items = this.#inlineBytes = this.#toldBytes = 0;
    const wanted = [...entries].filter(([, entry]) => entry.isPending).map(([index]) => index);
    return { backpressure: 0, limit, from: 0, read: 0, wanted: wanted.sort((a, b) => a - b) };
  }

  report(report: ItemReport, link: WorkerLink): void {
    const { attempt, index, bytes, size, contains } = report;
    if (link !== this.#link || attempt !== this.#attempt) return; // Of a worker that was given up.
    const { core, entries } = this.#init;
    this.#items++;
    this.bytes += bytes?.length ?? size;
    const held = contains.map((ref) => holdReplyRef(core, ref));
    const entry = entries.get(index);
    if (entry === undefined) { for (const one of held) core.objects.drop(one); // No worker of ours sends that.
     } else if (bytes === null) core.objects.settleStored(entry, link.nodeId, size, held);
    else core.objects.settleInline(entry, bytes, held);
    if (bytes !== null) this.#inlineBytes += bytes.length + ITEM_OVERHEAD_BYTES;
    acknowledgeItem(core, link, report);
  }

  /** Everything counts as read: the entries take it. */
  tell(): void {
    if (this.#link === null || this.#inlineBytes - this.#toldBytes < UNREAD_BYTES_MAX / 4) return;
    this.#toldBytes = this.#inlineBytes;
    const { sequence } = this.#init;
    const writer = new ByteWriter(32);
    writeCredit(writer, { sequence, attempt: this.#attempt, items: this.#items, bytes: this.#inlineBytes });
    this.#link.send(PushType.credits, writer.bytes());
  }

  /** Those that lie in a store and are referenced, as returns. */
  storedReturns(): number[] {
    const stored = [...this.#init.entries].filter(([, { state, released }]) =>
      state === "stored" && !released
    );
    return stored.map(([index]) => index + 1);
  }

  entrySettled(ended: Entry): void {
    const { core, name, entries } = this.#init;
    this.#link = null;
    const missing = ended.state === "error" ? ended.payload as Uint8Array : core.objects.encodeError(
      new ObjectReconstructionFailedError(`${name} was run again for lost items, and gave fewer than before`),
    );
    for (const entry of entries.values()) core.objects.settleError(entry, missing);
    // Not while it is being settled.
    queueMicrotask(() => core.objects.drop(ended));
  }
}
