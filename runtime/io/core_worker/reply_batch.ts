/**
 * Replies of a worker on their way to their submitters: several leave in one frame, but none is held back for long.
 * @module
 */
import {
  type ReplyHead,
  type ReplyRef,
  type ReplyResult,
  ReplyStatus,
  writeReplyHead,
  writeReplyRefs,
  writeResults,
} from "../../protocol/push.ts";
import { type ItemReport, writeItem } from "../../protocol/push_items.ts";
import type { ByteWriter } from "../../protocol/serialization/mod.ts";
import type { Caller } from "./caller.ts";
import { stayAwake } from "./stay_awake.ts";

/** How long replies may be held back to leave together. */
const BATCH_MS = 1;
const BATCH_BYTES = 256 * 1024;

/** See the module's header. */
export class ReplyBatch {
  readonly #callers = new Set<Caller>();
  #firstMs = 0;
  /** Replies so far, and what their runs took together. */
  answered = 0;
  runUs = 0;
  /** While it is set, flush() waits: several actors share a batch, and more of them run in this turn. */
  isHeld = false;

  /** A value or an error, encoded. */
  add(caller: Caller, head: Readonly<ReplyHead>, encoded: Uint8Array): void {
    const writer = this.#begin(caller, head);
    writer.varint(encoded.length);
    writer.raw(encoded);
    this.#added(caller);
  }

  /** A value as a writer holds it. */
  addWritten(caller: Caller, head: Readonly<ReplyHead>, encoded: ByteWriter): void {
    const writer = this.#begin(caller, head);
    writer.varint(encoded.position);
    writer.written(encoded);
    this.#added(caller);
  }

  /** An error with these refs inside. */
  addError(caller: Caller, head: Readonly<ReplyHead>, encoded: Uint8Array, refs: readonly ReplyRef[]): void {
    const writer = this.#begin(caller, { ...head, status: ReplyStatus.errorWithRefs });
    writer.varint(encoded.length);
    writer.raw(encoded);
    writeReplyRefs(writer, refs);
    this.#added(caller);
  }

  addResults(caller: Caller, head: Readonly<ReplyHead>, results: readonly ReplyResult[]): void {
    writeResults(this.#begin(caller, head), results);
    this.#added(caller);
  }

  /** An item of a generator: it leaves before every reply that is added from now on. */
  addItem(caller: Caller, item: Readonly<ItemReport>): void {
    if (this.#callers.size === 0) this.#firstMs = performance.now();
    this.#callers.add(caller);
    writeItem(caller.items, item);
    if (caller.items.position > BATCH_BYTES) this.#send();
  }

  /** Send all that wait. The next push often comes at once. */
  flush(): void {
    if (!this.isHeld) this.#send();
  }

  #send(): void {
    if (this.#callers.size === 0) return;
    for (const caller of this.#callers) caller.sendReplies();
    this.#callers.clear();
    stayAwake();
  }

  /** The caller is gone. */
  forget(caller: Caller): void {
    this.#callers.delete(caller);
  }

  #begin(caller: Caller, head: Readonly<ReplyHead>): ByteWriter {
    if (this.#callers.size === 0) this.#firstMs = performance.now();
    this.#callers.add(caller);
    caller.answered(head.sequence);
    this.answered++;
    this.runUs += head.runUs;
    writeReplyHead(caller.replies, head);
    return caller.replies;
  }

  #added(caller: Caller): void {
    if (caller.replies.position > BATCH_BYTES || performance.now() - this.#firstMs > BATCH_MS) this.#send();
  }
}
