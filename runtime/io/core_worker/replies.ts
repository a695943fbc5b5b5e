/**
 * Replies of workers, read from their frames and settled into entries: the same for tasks and actor calls.
 * @module
 */
import type { NodeId } from "../../common/ids.ts";
import {
  readReplyHead,
  readReplyRefs,
  readResults,
  type ReplyHead,
  type ReplyRef,
  type ReplyResult,
  ReplyStatus,
  ValueKind,
} from "../../protocol/push.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { ByteReader } from "../../protocol/serialization/mod.ts";
import type { CoreContext } from "./core_context.ts";
import { answered } from "./stay_awake.ts";
import type { Held } from "./actor_uses.ts";
import type { Entry } from "./entry.ts";

const NO_REFS: readonly ReplyRef[] = Object.freeze([]);

/** One reply. Bytes are views of the frame: copied where they stay. */
export interface Reply {
  readonly sequence: number;
  readonly startMs: number;
  readonly runUs: number;
  readonly value: Uint8Array | null;
  readonly error: Uint8Array | null;
  /** Refs inside the error. */
  readonly errorRefs: readonly ReplyRef[];
  /** The error is the system's, from before user code began. */
  readonly isSystemError: boolean;
  /** There is neither value nor error: it was cancelled. */
  readonly isCancelled: boolean;
  readonly results: readonly ReplyResult[] | null;
  /** Size of all results. */
  readonly bytes: number;
}

/** The replies of one frame, in order. */
export function readReplies(header: Uint8Array): Reply[] {
  answered();
  const reader = new ByteReader(header);
  const replies: Reply[] = [];
  const head: ReplyHead = { sequence: 0, status: 0, startMs: 0, runUs: 0 };
  while (reader.remaining > 0) {
    readReplyHead(reader, head);
    const { sequence, startMs, runUs } = head;
    if (head.status === ReplyStatus.results) {
      const results = readResults(reader);
      let bytes = 0;
      for (const result of results) {
        bytes += result.kind === ValueKind.inline ? result.bytes.length : result.size;
      }
      const flags = { isSystemError: false, isCancelled: false, errorRefs: NO_REFS };
      replies.push({ sequence, startMs, runUs, value: null, error: null, ...flags, results, bytes });
    } else {
      const block = reader.raw(reader.varint());
      const isCancelled = head.status === ReplyStatus.cancelled;
      const isValue = head.status === ReplyStatus.value;
      const isSystemError = head.status === ReplyStatus.systemError;
      const value = isValue ? block : null;
      const error = isValue || isCancelled ? null : block;
      const { length: bytes } = block;
      const errorRefs = head.status === ReplyStatus.errorWithRefs ? readReplyRefs(reader) : NO_REFS;
      replies.push({
        sequence,
        startMs,
        runUs,
        value,
        error,
        errorRefs,
        isSystemError,
        isCancelled,
        results: null,
        bytes,
      });
    }
  }
  return replies;
}

/** Throws ProtocolError for a reply that is no answer to a call with so many returns: its sender cannot be trusted. */
export function checkReply({ sequence, value, results }: Reply, returns: number): void {
  const got = results === null ? 1 : results.length;
  if ((value !== null || results !== null) && got !== returns) {
    throw new ProtocolError(`reply to ${sequence} with ${got} results instead of ${returns}`);
  }
}

/** Put a reply's results into its entries. It was checked. True when the worker holds refs inside them until they are counted here. */
export function settleReply(
  core: CoreContext,
  returns: readonly Entry[],
  reply: Reply,
  node: NodeId,
): boolean {
  const { objects } = core;
  if (reply.error !== null) {
    for (const entry of returns) {
      const held = reply.errorRefs.length === 0
        ? null
        : reply.errorRefs.map((ref) => holdReplyRef(core, ref));
      objects.settleError(entry, reply.error, held);
    }
    return reply.errorRefs.length > 0;
  }
  if (reply.value !== null) {
    objects.settleInline(returns[0]!, reply.value, null);
    return false;
  }
  let holds = false;
  for (const [index, result] of reply.results!.entries()) {
    const entry = returns[index]!;
    if (result.contains.length > 0) holds = true;
    const contained = result.contains.length === 0
      ? null
      : result.contains.map((ref) => holdReplyRef(core, ref));
    if (result.kind === ValueKind.inline) objects.settleInline(entry, result.bytes, contained);
    else objects.settleStored(entry, node, result.size, contained);
  }
  return holds;
}

/** A ref or handle inside a value that arrived: it is counted here from now on. */
export function holdReplyRef(core: CoreContext, ref: ReplyRef): Held {
  const held = ref.id.startsWith("a-")
    ? core.actorUses.begin(ref as never)
    : core.objects.arrived(ref as never);
  held.count++;
  return held;
}
