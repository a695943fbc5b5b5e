/**
 * Which calls a durable actor's state contains: what makes a checkpoint more than a copy of the state. One per actor; its
 * calls run one at a time, and each caller's in the order of their numbers, but for those that it repeats.
 *
 *   new --returned()--> applied, since the last checkpoint --saved()--> applied, in the checkpoint
 *    \---failed()--> not applied: a call that threw may be repeated
 *
 * A call that is applied is never run again, in this process or in one that was restored from the checkpoint: a caller that
 * did not hear of its answer gets it from here, as far as answers are kept (REPLIES_MAX); else it hears that it is lost.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { Deque } from "../../common/deque.ts";
import type { ProcessId } from "../../common/ids.ts";

/** Callers that are remembered; who was not heard of for longest is forgotten first, and its calls may then run twice. */
export const CALLERS_MAX: number = 1_000;
/** Numbers of failed calls that are remembered for each caller. */
export const FAILED_MAX: number = 1_000;
/** Answers that are kept: the newest so many, and so many bytes of them together. Only those that were on their way when a process
 *  died or a connection broke are asked for again. */
export const REPLIES_MAX: number = 64;
export const REPLY_BYTES_MAX: number = 64 * 1024;

/** As a checkpoint holds it: plain data. */
export interface AppliedRecord {
  readonly callers: readonly (readonly [caller: ProcessId, through: number, failed: readonly number[]])[];
  readonly replies: readonly (readonly [caller: ProcessId, sequence: number, reply: Uint8Array])[];
}

interface CallerCalls {
  /** The highest number that is applied. */
  through: number;
  /** Lower numbers that are not: those calls failed. */
  readonly failed: Set<number>;
  /** Of a call since the last checkpoint. */
  isChanged: boolean;
}

interface KeptReply {
  readonly caller: ProcessId;
  readonly sequence: number;
  readonly reply: Uint8Array;
}

/** See the module's header. */
export class AppliedCalls {
  readonly #every: number;
  /** The least recently heard of first. */
  readonly #callers: Map<ProcessId, CallerCalls> = new Map();
  /** In the order of the calls. */
  readonly #replies: Deque<KeptReply> = new Deque();
  #replyBytes = 0;
  #since = 0;
  #isRequested = false;

  /** `every`: a checkpoint is due after so many calls; null: only when it is asked for. `restored`: a checkpoint's. */
  constructor(every: number | null, restored: AppliedRecord | null = null) {
    this.#every = every ?? Infinity;
    for (const [caller, through, failed] of restored?.callers ?? []) {
      this.#callers.set(caller, { through, failed: new Set(failed), isChanged: false });
    }
    for (const [caller, sequence, reply] of restored?.replies ?? []) {
      this.#replies.push({ caller, sequence, reply });
      this.#replyBytes += reply.length;
    }
  }

  /** A checkpoint is to be made before the call that has just ended is answered. */
  get isDue(): boolean {
    return this.#isRequested || this.#since >= this.#every;
  }
  /** Somebody asked for it. */
  get isRequested(): boolean {
    return this.#isRequested;
  }

  request(): void {
    this.#isRequested = true;
  }

  /** Its effects are in the state. `reply`: its answer, where it is worth keeping. */
  returned(caller: ProcessId, sequence: number, reply: Uint8Array | null): void {
    const calls = this.#heard(caller);
    calls.through = Math.max(calls.through, sequence);
    calls.failed.delete(sequence);
    calls.isChanged = true;
    this.#since++;
    if (reply === null || reply.length > REPLY_BYTES_MAX) return;
    this.#replies.push({ caller, sequence, reply });
    this.#replyBytes += reply.length;
    while (this.#replyBytes > REPLY_BYTES_MAX || this.#replies.length > REPLIES_MAX) {
      this.#replyBytes -= this.#replies.shift()!.reply.length;
    }
  }

  /** It threw, or did not come to run: what it has changed stays, and it may be repeated. */
  failed(caller: ProcessId, sequence: number): void {
    const { failed } = this.#heard(caller);
    failed.add(sequence);
    if (failed.size > FAILED_MAX) failed.delete(Math.min(...failed));
    this.#since++;
  }

  /** Whether the call is applied; then its answer, or null when that is not there any more. */
  find(caller: ProcessId, sequence: number): { readonly reply: Uint8Array | null } | null {
    const calls = this.#callers.get(caller);
    if (calls === undefined || sequence > calls.through || calls.failed.has(sequence)) return null;
    for (const kept of this.#replies) {
      if (kept.caller === caller && kept.sequence === sequence) return { reply: kept.reply };
    }
    return { reply: null };
  }

  /** For the checkpoint that is made now. No call may end before saved() or notSaved(). */
  record(): AppliedRecord {
    return {
      callers: [...this.#callers].map(([caller, { through, failed }]) => [caller, through, [...failed]]),
      replies: [...this.#replies].map((kept) => [kept.caller, kept.sequence, kept.reply]),
    };
  }

  /** The checkpoint is durable. Answers which callers' calls it holds anew, and up to which number. */
  saved(): (readonly [caller: ProcessId, through: number])[] {
    const covered: [ProcessId, number][] = [];
    for (const [caller, calls] of this.#callers) {
      if (calls.isChanged) covered.push([caller, calls.through]);
      calls.isChanged = false;
    }
    this.notSaved();
    return covered;
  }

  /** It failed: the next one is due after as many calls again. */
  notSaved(): void {
    this.#since = 0;
    this.#isRequested = false;
  }

  check(): void {
    let bytes = 0;
    for (const { reply } of this.#replies) bytes += reply.length;
    assert(bytes === this.#replyBytes && bytes <= REPLY_BYTES_MAX, "answers are counted and bounded");
    assert(this.#replies.length <= REPLIES_MAX, "answers are bounded");
    assert(this.#callers.size <= CALLERS_MAX, "callers are bounded");
    for (const { failed } of this.#callers.values()) {
      assert(failed.size <= FAILED_MAX, "failures are bounded");
    }
  }

  #heard(caller: ProcessId): CallerCalls {
    const calls = this.#callers.get(caller) ?? { through: 0, failed: new Set(), isChanged: false };
    this.#callers.delete(caller);
    this.#callers.set(caller, calls);
    if (this.#callers.size > CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value!);
    return calls;
  }
}
