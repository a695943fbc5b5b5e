/**
 * ObjectRefStream: what users hold of a generator call. It gives refs in order, or values; leaving it stops the producer.
 * @module
 */
import { MobulaError, RefReleasedError } from "../../common/errors.ts";
import type { ObjectRefStream as PublicStream } from "../../common/public_types.ts";
import type { CoreContext } from "./core_context.ts";
import { sendingRegistry } from "./finalizers.ts";
import type { ItemStream, Taken } from "./item_stream.ts";
import type { ObjectRef } from "./object_ref.ts";
import { StreamValues } from "./stream_values.ts";

let streamIn: (handle: ObjectRefStream<unknown>) => ItemStream | null;
let coreIn: (handle: ObjectRefStream<unknown>) => CoreContext;

const collected = sendingRegistry<ItemStream>((stream) => stream.forgotten());

const END: IteratorResult<never, undefined> = Object.freeze({ done: true, value: undefined });

/** See the module's header. Users see the interface of the same name. */
export class ObjectRefStream<T> implements PublicStream<T> {
  #stream: ItemStream | null;
  readonly #core: CoreContext;

  static {
    streamIn = (handle) => handle.#stream;
    coreIn = (handle) => handle.#core;
  }

  constructor(stream: ItemStream, core: CoreContext) {
    this.#stream = stream;
    this.#core = core;
    collected.register(this, stream, this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<ObjectRef<T>, undefined>> {
    const stream = this.#stream;
    if (stream === null) return Promise.reject(releasedError());
    const taken = stream.take();
    if (taken !== undefined) return Promise.resolve(this.#result(stream, taken));
    // Whoever waits may hold nothing but this promise: `this` keeps the stream from being collected meanwhile.
    return new Promise((resolve) => stream.whenNext((next) => resolve(this.#result(stream, next))));
  }

  /** Leaving the loop early. */
  return(): Promise<IteratorResult<ObjectRef<T>, undefined>> {
    this.#stream?.leave();
    return Promise.resolve(END);
  }

  throw(error: unknown): Promise<IteratorResult<ObjectRef<T>, undefined>> {
    this.#stream?.leave();
    return Promise.reject(error);
  }

  values(): StreamValues<T> {
    return new StreamValues<T>(this.#held(), this.#core, this);
  }

  completed(): ObjectRef<void> {
    return this.#core.objects.refOf(this.#held().ended) as ObjectRef<void>;
  }

  release(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    collected.unregister(this);
    stream.released();
  }

  [Symbol.dispose](): void {
    this.release();
  }

  get [Symbol.toStringTag](): string {
    return "ObjectRefStream";
  }

  toJSON(): never {
    throw new TypeError("Cannot turn a stream into JSON: read it first");
  }

  #held(): ItemStream {
    if (this.#stream === null) throw releasedError();
    return this.#stream;
  }

  #result(stream: ItemStream, taken: Taken): IteratorResult<ObjectRef<T>, undefined> {
    return taken === null ? END : { done: false, value: stream.refOf(taken) as ObjectRef<T> };
  }
}

function releasedError(): Error {
  return new RefReleasedError("The stream was released here and cannot be used any more");
}

/**
 * The stream behind a handle of `core`. RefReleasedError for a released one, MobulaError for one of another cluster.
 */
export function streamOf(handle: ObjectRefStream<unknown>, core: CoreContext | null): ItemStream {
  const stream = streamIn(handle);
  if (stream === null) throw releasedError();
  if (coreIn(handle) !== core) {
    throw new MobulaError("The stream belongs to a cluster that this process has left", { code: "ShutDown" });
  }
  return stream;
}

export function isStream(value: unknown): value is ObjectRefStream<unknown> {
  return value instanceof ObjectRefStream;
}
