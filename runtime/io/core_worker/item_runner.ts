/**
 * Runs a generator to its end and reports its items. Items leave together, the first ones at once and never later than
 * TURN_MS after the first of them or when the event loop has its turn; what the caller says is heard then too.
 *
 *   making --no credit--> standing --credit--> making
 *      \------stop, surplus, a value that cannot travel: return(), so that the generator's finally runs
 *
 * A task that stands for LEND_MS lends its CPU until it goes on: who reads its items may need it.
 * @module
 */
import { clearTimeout, setTimeout } from "node:timers"; // The global ones give plain numbers on Deno.
import { returnId, taskId } from "../../common/ids.ts";
import { type ItemReport, newItemReport } from "../../protocol/push_items.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { WorkItem } from "./work_item.ts";
import type { ExecutionContext, TaskContext } from "./execution_context.ts";
import type { ReplyBatch } from "./reply_batch.ts";
import { abandon } from "./actor_uses.ts";
import { type Encoded, isInline, type RefSink } from "./value_codec.ts";

/** Items are made in a row for this long before they leave and the event loop has its turn. */
const TURN_MS = 1;
/** At most so many of them in one turn, and one in the first: nobody waits for a second item to see the first. */
const TURN_ITEMS_MAX = 4_096;
/** A task that has been standing for this long lends its CPU. */
const LEND_MS = 5;
/** The first item that finds no room inline waits this long for somebody to read, then all go to the store. */
const PATIENCE_MS = 1_000;

// deno-lint-ignore no-explicit-any -- user code: a generator of any items
type AnyGenerator = Generator<any, any, any> | AsyncGenerator<any, any, any>;

/** See the module's header. */
export class ItemRunner {
  readonly #core: CoreWorker;
  readonly #context: ExecutionContext;
  readonly #replies: ReplyBatch;
  /** The task's CPU is lent from now on; answers how that ends. */
  readonly #lend: () => () => void;
  readonly #scratch = new ByteWriter();
  readonly #report: ItemReport = newItemReport();
  #leaving = false;

  constructor(core: CoreWorker, context: ExecutionContext, replies: ReplyBatch, lend: () => () => void) {
    this.#core = core;
    this.#context = context;
    this.#replies = replies;
    this.#lend = lend;
  }

  /** Resolves when the generator has ended, rejects with what it threw. `made`: what calling the function gave. */
  async run(work: WorkItem, context: TaskContext, made: unknown): Promise<void> {
    if (!isGenerator(made)) throw new TypeError(`${context.taskName} did not give a generator`);
    const { producer } = work.items!;
    work.items!.name = context.taskName;
    const step = <R>(body: () => R): R => this.#context.run(context, body);
    let turn = new Turn();
    for (;;) {
      const next = producer.next();
      if (next === "stand") {
        await this.#stand(work, Infinity);
        turn = new Turn();
        continue;
      }
      if (next === "end") break;
      let result = step(() => made.next()) as IteratorResult<unknown> | Promise<IteratorResult<unknown>>;
      if (result instanceof Promise) result = await result;
      if (result.done) return;
      const index = producer.made();
      if (index === null) continue;
      try {
        const waiting = this.#give(work, index, result.value);
        if (waiting !== null) await waiting;
      } catch (error) {
        await step(() => made.return(undefined));
        throw error;
      }
      if (turn.isOver()) {
        await this.#turn(work);
        turn.again();
      }
    }
    if (producer.hasSurplus) {
      console.error(
        `${context.taskName} (${context.taskId}) gives more items than its numReturns; they are lost`,
      );
    }
    await step(() => made.return(undefined));
  }

  /** What was made leaves, and what the caller said is heard. */
  async #turn(work: WorkItem): Promise<void> {
    this.#replies.flush();
    await work.caller.writable();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Until the caller says something, at most `forMs`. */
  async #stand(work: WorkItem, forMs: number): Promise<void> {
    this.#replies.flush();
    let resume: (() => void) | null = null;
    const lending = setTimeout(() => resume = this.#lend(), LEND_MS);
    let patience: ReturnType<typeof setTimeout> | undefined;
    const word = work.items!.word();
    if (forMs === Infinity) await word;
    else await Promise.race([word, new Promise((resolve) => patience = setTimeout(resolve, forMs))]);
    clearTimeout(lending);
    clearTimeout(patience);
    (resume as (() => void) | null)?.();
  }

  /** Report an item. Null when it is on its way; else its end. */
  #give(work: WorkItem, index: number, value: unknown): Promise<void> | null {
    const scratch = this.#scratch;
    const sink: RefSink = { refs: [], held: [] };
    scratch.reset();
    const large = this.#core.codec.append(scratch, value, "item", sink);
    if (large !== null || sink.refs.length > 0 || !work.items!.producer.hasRoom(scratch.position)) {
      abandon(large?.held ?? sink.held);
      return this.#giveSlowly(work, index, this.#core.codec.encode(value, "item"));
    }
    this.#send(work, index, scratch.bytes(), 0);
    return null;
  }

  /** A large item, one with refs inside, or one that finds no room. */
  async #giveSlowly(work: WorkItem, index: number, encoded: Encoded): Promise<void> {
    const outlet = work.items!;
    const { producer } = outlet;
    const inline = isInline(encoded);
    const untilMs = performance.now() + PATIENCE_MS;
    while (inline && !producer.hasRoom(encoded.bytes) && !producer.isStopped && !outlet.isUnread) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) outlet.isUnread = true;
      else await this.#stand(work, leftMs);
    }
    const isSent = inline && producer.hasRoom(encoded.bytes);
    if (producer.isStopped) return abandon(encoded.held);
    let size = 0;
    try {
      if (!isSent) size = await this.#store(work, index, encoded);
    } catch (error) {
      abandon(encoded.held);
      throw error;
    }
    if (encoded.held.length > 0) {
      work.caller.lendItem([work.sequence, index], encoded.held, this.#core.objects);
    }
    this.#send(work, index, isSent ? encoded.body : null, size, encoded);
    // The caller must hear of what is stored, or nobody would free it.
    if (!isSent) this.#replies.flush();
  }

  #store(work: WorkItem, index: number, encoded: Encoded): Promise<number> {
    // Should this process crash, only the last one that it stored is unknown to the caller.
    this.#replies.flush();
    const { as, caller, sequence } = work;
    return this.#core.store.write(returnId(as?.task ?? taskId(caller.id, sequence), index + 1), encoded, {
      home: as?.home ?? caller.node,
      owner: as?.owner ?? caller.id,
      isError: false,
      contains: encoded.refs,
      producer: work.items!.name,
    });
  }

  #send(work: WorkItem, index: number, bytes: Uint8Array | null, size: number, encoded?: Encoded): void {
    const report = this.#report;
    report.sequence = work.sequence;
    report.attempt = work.attempt;
    report.index = index;
    report.bytes = bytes;
    report.size = size;
    report.contains = (encoded?.refs ?? []) as never;
    if (bytes !== null) work.items!.producer.sent(bytes.length);
    this.#replies.addItem(work.caller, report);
    if (this.#leaving) return;
    // An async generator may wait now, for long: what it has made leaves then.
    this.#leaving = true;
    setImmediate(() => {
      this.#leaving = false;
      this.#replies.flush();
    });
  }
}

/** How long items are made in a row. */
class Turn {
  #items = 0;
  #itemsMax = 1;
  #startMs = performance.now();

  /** After each item. */
  isOver(): boolean {
    this.#items++;
    return this.#items >= this.#itemsMax || performance.now() - this.#startMs > TURN_MS;
  }

  /** The next one: longer while items come fast. */
  again(): void {
    this.#itemsMax = this.#items < this.#itemsMax ? 1 : Math.min(this.#itemsMax * 2, TURN_ITEMS_MAX);
    this.#items = 0;
    this.#startMs = performance.now();
  }
}

function isGenerator(made: unknown): made is AnyGenerator {
  const { next, return: end } = (made ?? {}) as Partial<AnyGenerator>;
  return typeof next === "function" && typeof end === "function";
}
