/**
 * A stream as its reader's process has it: items that came and were not taken, who waits for the next one, and the end. What
 * the user holds is object_ref_stream.ts; nothing here refers to that, so that a forgotten stream is collected and stops.
 *
 *   open --the call ended--> ending --all taken--> over
 *     \---leave()-----------------------------------^
 * @module
 */
import { Deque } from "../../common/deque.ts";
import { Entry } from "./entry.ts";
import { type Item, type ItemCallInit, ItemReceiver } from "./item_receiver.ts";
import type { ObjectRef } from "./object_ref.ts";
import { hold, letGo } from "./process_hold.ts";
import { stayAwake } from "./stay_awake.ts";

/** The next item; null at the end. */
export type Taken = Item | null;

/** How often the receiver and the user's stream count the completion. */
const OWN_COUNTS = 2;

/** See the module's header. */
export class ItemStream extends ItemReceiver {
  readonly #waiters: Deque<(taken: Taken) => void> = new Deque();
  /** What the call failed of, until it was taken as the last item. */
  #failure: Uint8Array | null = null;
  #finished = false;
  /** Nobody will read it, and it runs on nevertheless. */
  #isUnread = false;
  /** Stands for the next item or the end in a wait(); kept until that is taken. */
  #next: Entry | null = null;
  /** Told when an item is the next one that can be taken. */
  onNext: (() => void) | null = null;

  constructor(init: ItemCallInit) {
    super(init);
    this.ended.count++;
  }

  /** The user let go of it. Once. */
  released(): void {
    this.leave();
    this.init.core.objects.drop(this.ended);
  }

  /** It was collected. Who still holds a ref to its completion wants it to run to its end, unread. Once. */
  forgotten(): void {
    this.#isUnread = this.ended.isPending && this.ended.count > OWN_COUNTS;
    if (this.#isUnread) this.#dropAll();
    else this.leave();
    this.init.core.objects.drop(this.ended);
  }

  #dropAll(): void {
    let item: Item | undefined;
    while ((item = this.reader.take()) !== undefined) this.drop(item);
    this.tell();
  }

  /** The next item, null at the end, undefined when neither is there yet. */
  take(): Taken | undefined {
    if (this.#waiters.length > 0) return undefined; // Others come first.
    return this.#take();
  }

  #take(): Taken | undefined {
    const item = this.reader.take();
    if (item !== undefined) {
      this.#next = null;
      this.tell();
      return item;
    }
    if (this.#failure !== null) {
      this.#next = null;
      return this.#failed();
    }
    return this.#finished ? null : undefined;
  }

  /** A ref to the item that was just taken. */
  refOf(item: Item): ObjectRef<unknown> {
    const { objects } = this.init.core;
    if (item instanceof Uint8Array) {
      const entry = this.entryOf(this.reader.read - 1);
      objects.settleInline(entry, item, null);
      return objects.refOf(entry);
    }
    const ref = objects.refOf(item);
    item.count--; // The ref counts it.
    return ref;
  }

  /** The next item, still unread; undefined when there is none. */
  peek(): Item | undefined {
    return this.reader.peek();
  }

  /** Called with the next item when it is there, in the order of the calls. User code waits meanwhile. */
  whenNext(taken: (taken: Taken) => void): void {
    const resume = this.init.core.objects.beginWait();
    hold();
    stayAwake();
    this.#waiters.push((next) => {
      letGo();
      resume();
      taken(next);
    });
  }

  /** An entry that is settled when there is a next item or an end. */
  next(): Entry {
    if (this.#next === null) {
      const { core, sequence, name } = this.init;
      this.#next = Entry.ofReturn(core.identity, sequence, this.reader.received, name);
      if (this.reader.unread > 0 || this.#finished) this.#settleNext();
    }
    return this.#next;
  }

  override leave(): void {
    this.#failure = null;
    this.#finished = true;
    super.leave();
    this.#serve();
  }

  protected arrived(): void {
    if (this.#isUnread) return this.#dropAll();
    if (this.#waiters.length > 0) this.#serve();
    else {
      if (this.#next !== null) this.#settleNext();
      if (this.reader.unread === 1) this.onNext?.();
    }
  }

  protected finished(error: Uint8Array | null): void {
    this.#finished = true;
    if (!this.isStopped) this.#failure = error;
    this.#serve();
  }

  /** Give what is there to those who wait. */
  #serve(): void {
    while (this.#waiters.length > 0) {
      const taken = this.#take();
      if (taken === undefined) return;
      this.#waiters.shift()!(taken);
    }
    if (this.#next !== null && (this.reader.unread > 0 || this.#finished)) this.#settleNext();
  }

  #settleNext(): void {
    this.#next!.settle("value", undefined, 0);
  }

  /** What the call failed of, as an item of its own. */
  #failed(): Entry {
    const { objects } = this.init.core;
    const entry = this.entryOf(this.reader.received);
    entry.count++;
    objects.settleError(entry, this.#failure!);
    this.#failure = null;
    return entry;
  }
}
