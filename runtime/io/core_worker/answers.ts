/**
 * How one task or call ends at its worker: what user code gave or threw becomes its reply. Results are inline, or in the
 * store; an error is a result too. A reply never leaves before refs that the task took over are counted.
 * @module
 */
import { ActorUnavailableError, taskErrorOf } from "../../common/errors.ts";
import { returnId } from "../../common/ids.ts";
import { type ReplyHead, type ReplyResult, ReplyStatus, ValueKind } from "../../protocol/push.ts";
import { ByteWriter } from "../../protocol/serialization/mod.ts";
import { useUserStacks } from "../code_bundle/bundle_stacks.ts";
import { abandon, type Held } from "./actor_uses.ts";
import type { DurableActor } from "./durable_actor.ts";
import type { CoreWorker } from "./core_worker.ts";
import { type ItemInputs, resultValues } from "./item_inputs.ts";
import type { ReplyBatch } from "./reply_batch.ts";
import type { RunningCancels } from "./running_cancels.ts";
import { type Encoded, isInline, type RefSink } from "./value_codec.ts";
import type { WorkItem } from "./work_item.ts";

/** Inline results of one task, together; the rest is stored. A single one is smaller (INLINE_BYTES_MAX). */
const INLINE_SUM_BYTES_MAX = 8 * 1024 * 1024;

/** Read once: the getter takes as long as a clock. */
const ORIGIN_MS = performance.timeOrigin;
const NO_BYTES = new Uint8Array(0);

/** See the module's header. */
export class Answers {
  readonly #core: CoreWorker;
  readonly #inputs: ItemInputs;
  readonly #cancels: RunningCancels;
  readonly #replies: ReplyBatch;
  readonly #done: (item: WorkItem) => void;
  readonly #scratch = new ByteWriter();

  /** `done` is called once for each item that began, after its reply is in the batch. */
  constructor(
    core: CoreWorker,
    inputs: ItemInputs,
    cancels: RunningCancels,
    replies: ReplyBatch,
    done: (item: WorkItem) => void,
  ) {
    this.#core = core;
    this.#inputs = inputs;
    this.#cancels = cancels;
    this.#replies = replies;
    this.#done = done;
  }

  /** Reply with a result. Null when it went out; else its end. */
  finish(item: WorkItem, result: unknown, startMs: number): Promise<void> | null {
    // What a cancelled call of an actor gives is nobody's, and a cancelled generator has not come to its end.
    if (item.cancelled && (item.target === null || item.items !== null)) {
      return this.cancelled(item, startMs);
    }
    const durable = this.#inputs.actor?.durable;
    if (durable === undefined) return this.#reply(item, result, startMs);
    durable.returned(item, this.#saved(item, result));
    if (!durable.isDue) return this.#reply(item, result, startMs);
    return this.#afterSave(durable, item, startMs, () => this.#reply(item, result, startMs));
  }

  /** A durable actor's answer, for its checkpoint; null for one that is not simple. */
  #saved(item: WorkItem, result: unknown): Uint8Array | null {
    if (item.numReturns !== 1 || item.items !== null) return null;
    const scratch = this.#scratch;
    const sink: RefSink = { refs: [], held: [] };
    scratch.reset();
    try {
      const large = this.#core.codec.append(scratch, result, "result", sink);
      const isSimple = large === null && sink.refs.length === 0;
      abandon(large?.held ?? sink.held);
      return isSimple ? scratch.bytes().slice() : null;
    } catch {
      return null; // The reply says what is wrong.
    }
  }

  /** What a call changed is saved before its caller hears of its end. */
  async #afterSave(
    durable: DurableActor,
    item: WorkItem,
    startMs: number,
    reply: () => Promise<void> | null,
  ): Promise<void> {
    const outcome = await durable.save();
    if ("error" in outcome) return await this.failed(item, outcome.error, startMs) ?? undefined;
    const waiting = reply();
    if (waiting !== null) await waiting;
    // What is covered is told after it was answered.
    this.#replies.flush();
    outcome.tell();
  }

  /** A call that a durable actor's state contains already: it is answered and not run. `reply`: null when that is lost. */
  again(item: WorkItem, reply: Uint8Array | null): Promise<void> | null {
    const head = { sequence: item.sequence, startMs: Date.now(), runUs: 0 };
    if (item.numReturns === 0) {
      this.#replies.addResults(item.caller, { ...head, status: ReplyStatus.results }, []);
    } else if (reply !== null && item.numReturns === 1) {
      this.#replies.add(item.caller, { ...head, status: ReplyStatus.value }, reply);
    } else {
      const error = new ActorUnavailableError(
        `${this.#inputs.nameOf(item)} has run and its effects are kept, but its answer is lost`,
        { actorId: this.#inputs.actor?.durable?.actorId },
      );
      return this.#answer(
        item,
        { ...head, status: ReplyStatus.systemError },
        this.#core.codec.encodeError(error),
      );
    }
    this.#done(item);
    return null;
  }

  #reply(item: WorkItem, result: unknown, startMs: number): Promise<void> | null {
    const runUs = Math.round((performance.now() - startMs) * 1000);
    if (item.numReturns !== 1 || this.#core.link.hasUnconfirmedHolds) {
      return this.#finishSlowly(item, result, startMs, runUs);
    }
    const scratch = this.#scratch;
    const sink: RefSink = { refs: [], held: [] };
    scratch.reset();
    try {
      const large = this.#core.codec.append(scratch, result, "result", sink);
      if (large !== null || sink.refs.length > 0) {
        abandon(large?.held ?? sink.held);
        return this.#finishSlowly(item, result, startMs, runUs);
      }
    } catch (error) {
      return this.failed(item, error, startMs);
    }
    const { sequence, caller } = item;
    const head = { sequence, status: ReplyStatus.value, startMs: epochMs(startMs), runUs };
    this.#replies.addWritten(caller, head, scratch);
    this.#done(item);
    return null;
  }

  /** Several results, large ones, or refs inside. */
  async #finishSlowly(item: WorkItem, result: unknown, startMs: number, runUs: number): Promise<void> {
    const held: Held[] = [];
    try {
      const results: ReplyResult[] = [];
      let inlineBytes = 0;
      for (const [index, value] of resultValues(result, item.numReturns).entries()) {
        const path = item.numReturns === 1 ? "result" : `result[${index}]`;
        const encoded = this.#core.codec.encode(value, path);
        // Counted at once: user code may release its refs while the result is being stored.
        for (const inner of encoded.held) {
          inner.count++;
          held.push(inner);
        }
        if (isInline(encoded) && inlineBytes + encoded.bytes <= INLINE_SUM_BYTES_MAX) {
          inlineBytes += encoded.bytes;
          results.push({ kind: ValueKind.inline, bytes: encoded.body, contains: encoded.refs as never });
        } else {
          const size = await this.#store(item, index, encoded);
          results.push({ kind: ValueKind.stored, size, contains: encoded.refs as never });
        }
      }
      // Refs that this process took over during the task must be counted before their lender hears that it is done.
      if (this.#core.link.hasUnconfirmedHolds) await this.#core.link.confirmHolds();
      if (held.length > 0) item.caller.lend(item.sequence, held, this.#core.objects);
      const { sequence, caller } = item;
      const head = { sequence, status: ReplyStatus.results, startMs: epochMs(startMs), runUs };
      this.#replies.addResults(caller, head, results);
    } catch (error) {
      return await this.failed(item, error, startMs) ?? undefined;
    } finally {
      for (const inner of held) this.#core.objects.drop(inner);
    }
    this.#done(item);
  }

  #store(item: WorkItem, index: number, encoded: Encoded): Promise<number> {
    const { as } = item;
    return this.#core.store.write(returnId(as?.task ?? this.#inputs.taskIdOf(item), index), encoded, {
      home: as?.home ?? item.caller.node,
      owner: as?.owner ?? item.caller.id,
      isError: false,
      contains: encoded.refs,
      producer: this.#inputs.nameOf(item),
    });
  }

  /** Reply with what user code threw. Null when it went out; else its end. */
  failed(item: WorkItem, thrown: unknown, startMs: number): Promise<void> | null {
    if (this.#cancels.isCancellation(item, thrown)) return this.cancelled(item, startMs);
    const runUs = Math.round((performance.now() - startMs) * 1000);
    const fields = {
      taskName: this.#inputs.nameOf(item),
      taskId: this.#inputs.taskIdOf(item),
      nodeId: this.#core.identity.node,
      attempt: item.attempt,
      workerPid: process.pid,
      logLines: this.#core.linesOf(item.context),
    };
    let error: Error;
    try {
      useUserStacks(thrown);
      error = taskErrorOf(thrown, fields);
    } catch {
      error = taskErrorOf(new Error("what it threw cannot be read"), fields); // A getter that throws, for one.
    }
    const head = { startMs: epochMs(startMs), runUs, status: ReplyStatus.error };
    const reply = (): Promise<void> | null => this.#answerError(item, head, error);
    const durable = this.#inputs.actor?.durable;
    durable?.failed(item);
    return durable?.isDue === true ? this.#afterSave(durable, item, startMs, reply) : reply();
  }

  /** What is inside an error is held here until the caller counts it, as what is inside a result. */
  #answerError(item: WorkItem, head: Omit<ReplyHead, "sequence">, error: Error): Promise<void> | null {
    const sink: RefSink = { refs: [], held: [] };
    const bytes = this.#core.codec.encodeError(error, sink);
    if (sink.refs.length === 0) return this.#answer(item, head, bytes);
    const { sequence, caller } = item;
    if (item.answered) abandon(sink.held);
    else caller.lend(sequence, sink.held, this.#core.objects);
    const reply = (): void => {
      if (!item.answered) this.#replies.addError(caller, { sequence, ...head }, bytes, sink.refs as never);
      this.#done(item);
    };
    return this.#core.link.confirmHolds().then(reply, reply);
  }

  /** User code was not called, for a reason of the system's. Null when the reply went out; else its end. */
  notRun(item: WorkItem, error: unknown): Promise<void> | null {
    const head = { startMs: Date.now(), runUs: 0, status: ReplyStatus.systemError };
    this.#inputs.actor?.durable?.failed(item);
    return this.#answer(item, head, this.#core.codec.encodeError(error));
  }

  /** It began, and ends because it was cancelled. Null when the reply went out; else its end. */
  cancelled(item: WorkItem, startMs: number): Promise<void> | null {
    const runUs = Math.round((performance.now() - startMs) * 1000);
    return this.#answer(item, { startMs: epochMs(startMs), runUs, status: ReplyStatus.cancelled }, NO_BYTES);
  }

  /** A task that failed may have taken over refs too: their lender must not hear of its end before they are counted. */
  #answer(item: WorkItem, head: Omit<ReplyHead, "sequence">, bytes: Uint8Array): Promise<void> | null {
    const reply = (): void => {
      const { sequence, caller } = item;
      if (!item.answered) this.#replies.add(caller, { sequence, ...head }, bytes);
      this.#done(item);
    };
    const { link } = this.#core;
    if (link.hasUnconfirmedHolds) return link.confirmHolds().then(reply, reply);
    reply();
    return null;
  }

  /** It was cancelled, and goes on all the same: its caller need not wait for it. */
  early(item: WorkItem): void {
    item.answered = true;
    this.unstarted(item);
  }

  /** It was cancelled before it began. */
  unstarted({ caller, sequence }: WorkItem): void {
    const head = { sequence, startMs: Date.now(), runUs: 0, status: ReplyStatus.cancelled };
    this.#replies.add(caller, head, NO_BYTES);
  }
}

function epochMs(atMs: number): number {
  return ORIGIN_MS + atMs;
}
