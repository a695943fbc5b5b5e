/**
 * What a call of a generator gives: a stream, or with `numReturns: n` so many refs.
 * @module
 */
import type { ItemsRequest } from "../../protocol/push.ts";
import type { CoreContext } from "./core_context.ts";
import type { Entry } from "./entry.ts";
import { FixedItems } from "./fixed_items.ts";
import { type ItemCallInit, type ItemReceiver, type ItemTaker, receiveItems } from "./item_receiver.ts";
import { ItemStream } from "./item_stream.ts";
import type { ObjectRef } from "./object_ref.ts";
import { ObjectRefStream } from "./object_ref_stream.ts";
import type { WorkerLink } from "./worker_link.ts";

/** How a generator is called: part of its options, resolved. */
export interface ItemsOption {
  readonly backpressure: number;
  /** Null: a stream. */
  readonly limit: number | null;
}

/** The options of a call, where they matter for items; null: it is no generator. */
export function itemsOption(
  streams: boolean | undefined,
  options: { readonly numReturns?: number | undefined; readonly generatorBackpressure?: number | undefined },
): ItemsOption | null {
  if (streams !== true) return null;
  const { numReturns = 1, generatorBackpressure: backpressure = 0 } = options;
  // Refs that are there already are read as they come.
  return numReturns === 1 ? { backpressure, limit: null } : { backpressure: 0, limit: numReturns };
}

/** What the call gives to its user, and what takes its items. */
export interface ItemCall {
  readonly receiver: ItemReceiver;
  /** The call's own: its end. */
  readonly returns: readonly Entry[];
  readonly given: ObjectRefStream<unknown> | readonly ObjectRef<unknown>[] | ObjectRef<unknown>;
}

/** The generator calls of one process that have not ended, by their number, and the streams that its tasks opened. */
export class ItemCalls {
  readonly #receivers = new Map<number, ItemTaker>();
  readonly #streams = new Set<ItemStream>();

  /** A generator is called. */
  open(core: CoreContext, sequence: number, name: string, option: ItemsOption): ItemCall {
    const call = openItems({ core, sequence, name, ...option });
    const { receiver } = call;
    this.#receivers.set(sequence, receiver);
    const isTasks = receiver instanceof ItemStream && core.currentTask() !== null;
    if (isTasks) this.#streams.add(receiver);
    receiver.ended.onSettled({
      entrySettled: () => {
        if (isTasks) this.#streams.delete(receiver);
        // Not before its history is written.
        queueMicrotask(() => this.#receivers.delete(sequence));
      },
    });
    return call;
  }

  /** A generator is run again, under a number of its own. */
  again(sequence: number, taker: ItemTaker): void {
    this.#receivers.set(sequence, taker);
    taker.ended.onSettled({
      entrySettled: () => queueMicrotask(() => this.#receivers.delete(sequence)),
    });
  }

  /** What takes the items of a call that has not ended; null when it has, or is no generator. */
  takerOf(sequence: number): ItemTaker | null {
    return this.#receivers.get(sequence) ?? null;
  }

  /** What the push of a generator says; null for what is none. */
  pushed(sequence: number, link: WorkerLink, attempt: number): ItemsRequest | null {
    return this.#receivers.get(sequence)?.pushed(link, attempt) ?? null;
  }

  received(link: WorkerLink, header: Uint8Array): void {
    receiveItems(link, header, (sequence) => this.#receivers.get(sequence) ?? null);
  }

  /** Of all items that came; undefined for what is no generator. */
  bytesOf(sequence: number): number | undefined {
    return this.#receivers.get(sequence)?.bytes;
  }

  /** A task opened streams that have not ended. */
  get hasStreams(): boolean {
    return this.#streams.size > 0;
  }

  /** What a task opened and did not read to its end ends with it. (An actor may go on reading in its next call.) */
  leaveStreams(): void {
    for (const stream of this.#streams) stream.leave();
    this.#streams.clear();
  }
}

function openItems(init: ItemCallInit): ItemCall {
  const { limit } = init;
  if (limit !== null) {
    const receiver = new FixedItems({ ...init, limit });
    return { receiver, returns: [receiver.ended], given: receiver.given };
  }
  const receiver = new ItemStream(init);
  return { receiver, returns: [receiver.ended], given: new ObjectRefStream<unknown>(receiver, init.core) };
}
