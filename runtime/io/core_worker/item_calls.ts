/**
 * What a call of a generator gives: a stream, or with `numReturns: n` so many refs.
 * @module
 */
import { TaskCancelledError } from "../../common/errors.ts";
import type { TaskId } from "../../common/ids.ts";
import type { CoreContext } from "./core_context.ts";
import { FixedItems } from "./fixed_items.ts";
import type { ItemCallInit, ItemReceiver } from "./item_receiver.ts";
import { ItemStream } from "./item_stream.ts";
import type { ObjectRef } from "./object_ref.ts";
import { ObjectRefStream } from "./object_ref_stream.ts";

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
  readonly given: ObjectRefStream<unknown> | readonly ObjectRef<unknown>[];
}

/** The generator calls of one process that have not ended, by their number. */
export class ItemCalls {
  readonly #receivers = new Map<number, ItemReceiver>();

  open(core: CoreContext, sequence: number, name: string, { backpressure, limit }: ItemsOption): ItemCall {
    const call = openItems({ core, sequence, name, backpressure, limit });
    const { receiver } = call;
    this.#receivers.set(sequence, receiver);
    // Not before its history is written.
    receiver.ended.onSettled({ entrySettled: () => queueMicrotask(() => this.#receivers.delete(sequence)) });
    return call;
  }

  of(sequence: number): ItemReceiver | null {
    return this.#receivers.get(sequence) ?? null;
  }
}

/** Of a call whose stream was left before it was started. */
export function unreadError(name: string, id: TaskId): TaskCancelledError {
  return new TaskCancelledError(`${name} (${id}) was not started: its stream was left before`, {
    taskId: id,
  });
}

function openItems(init: ItemCallInit): ItemCall {
  const { limit } = init;
  if (limit !== null) {
    const receiver = new FixedItems({ ...init, limit });
    return { receiver, given: receiver.given };
  }
  const receiver = new ItemStream(init);
  return { receiver, given: new ObjectRefStream<unknown>(receiver, init.core) };
}
