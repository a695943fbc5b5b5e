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
import { Entry } from "./entry.ts";

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

/** Calls `take` with the replies of one frame, in order: each time with the same object, of which nobody keeps more than parts. */
export function readReplies(header: Uint8Array, take: (reply: Reply) => void): void {
  answered();
  const reader = new ByteReader(header);
  const head: ReplyHead = { sequence: 0, status: 0, startMs: 0, runUs: 0 };
  const reply: { -readonly [K in keyof Reply]: Reply[K] } = {
    ...head,
    value: null,
    error: null,
    errorRefs: NO_REFS,
    isSystemError: false,
    isCancelled: false,
    results: null,
    bytes: 0,
  };
  while (reader.remaining > 0) {
    readReplyHead(reader, head);
    const { status } = head;
    reply.sequence = head.sequence;
    reply.startMs = head.startMs;
    reply.runUs = head.runUs;
    reply.value = reply.error = reply.results = null;
    reply.errorRefs = NO_REFS;
    reply.isSystemError = status === ReplyStatus.systemError;
    reply.isCancelled = status === ReplyStatus.cancelled;
    if (status === ReplyStatus.results) {
      reply.results = readResults(reader);
      reply.bytes = sizeOf(reply.results);
    } else {
      const block = reader.raw(reader.varint());
      reply.bytes = block.length;
      if (status === ReplyStatus.value) reply.value = block;
      else if (!reply.isCancelled) reply.error = block;
      if (status === ReplyStatus.errorWithRefs) reply.errorRefs = readReplyRefs(reader);
    }
    take(reply);
  }
}

function sizeOf(results: readonly ReplyResult[]): number {
  let bytes = 0;
  for (const result of results) bytes += result.kind === ValueKind.inline ? result.bytes.length : result.size;
  return bytes;
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
  outcome: Entry | readonly Entry[],
  reply: Reply,
  node: NodeId,
): boolean {
  const { objects } = core;
  if (reply.value !== null) {
    objects.settleInline(outcome instanceof Entry ? outcome : outcome[0]!, reply.value, null);
    return false;
  }
  const returns = outcome instanceof Entry ? [outcome] : outcome;
  if (reply.error !== null) {
    for (const entry of returns) {
      const held = reply.errorRefs.length === 0
        ? null
        : reply.errorRefs.map((ref) => holdReplyRef(core, ref));
      objects.settleError(entry, reply.error, held);
    }
    return reply.errorRefs.length > 0;
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
