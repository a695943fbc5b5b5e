/**
 * Push connections from and to restricted workers, as their agents pass them on: what arrives tells what the worker may use,
 * what it sends is looked through before it goes on. A frame that is not as it should be ends the relay.
 * @module
 */
import { FrameParser } from "../protocol/frames.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import {
  type MakesAgain,
  type PushHead,
  PushType,
  readPush,
  readReplyHead,
  readReplyRefs,
  readResults,
  ReplyStatus,
  ValueKind,
} from "../protocol/push.ts";
import { newItemReport, readItem } from "../protocol/push_items.ts";
import { ByteReader } from "../protocol/serialization/mod.ts";
import { type RefVisitor, visitArguments, visitValue } from "./value_refs.ts";

/** What is met in one direction of a relay. */
export interface FrameRules {
  readonly refs: RefVisitor;
  /** A task or call of this number is pushed. */
  pushed?(sequence: number): void;
  /** It makes the results of this task again. */
  remakes?(as: MakesAgain): void;
  /** Before code, or a task that runs it; throws where only calls may be. */
  code?(): void;
}

/** One direction of a relay: every byte goes through `push`, in order, before it is passed on. */
export class FrameInspector {
  readonly #parser: FrameParser;

  /** `from`: which end speaks. */
  constructor(from: "submitter" | "worker", rules: FrameRules) {
    const inspect = from === "submitter" ? inspectPush : inspectReply;
    this.#parser = new FrameParser((type, _flags, header, sections) =>
      inspect(type, header, sections, rules)
    );
  }

  /** Throws for what may not pass. */
  push(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#parser.push(frame);
  }
}

function inspectPush(
  type: number,
  header: Uint8Array,
  sections: readonly Uint8Array[],
  rules: FrameRules,
): void {
  switch (type) {
    case PushType.define:
      rules.code?.();
      if (sections[1] !== undefined) visitValue(new ByteReader(sections[1]), rules.refs);
      return;
    case PushType.pushTasks:
    case PushType.pushCalls: {
      if (type === PushType.pushTasks) rules.code?.();
      const reader = new ByteReader(header);
      const head: PushHead = {
        sequence: 0,
        target: 0,
        attempt: 0,
        numReturns: 1,
        depth: 0,
        items: null,
        as: null,
        group: "",
      };
      while (reader.remaining > 0) {
        const args = readPush(reader, head, type === PushType.pushCalls);
        visitArguments(args, rules.refs);
        rules.pushed?.(head.sequence);
        if (head.as !== null) rules.remakes?.(head.as);
      }
      return;
    }
    case PushType.assign:
    case PushType.returned:
    case PushType.credits:
    case PushType.stopItems:
    case PushType.itemsReturned:
    case PushType.cancel:
      return;
    default:
      throw new ProtocolError(`frame of type ${type} from a submitter`);
  }
}

function inspectReply(
  type: number,
  header: Uint8Array,
  _sections: readonly Uint8Array[],
  { refs }: FrameRules,
): void {
  if (type === PushType.handBack || type === PushType.retired) return;
  if (type === PushType.items) return inspectItems(header, refs);
  if (type !== PushType.replies) throw new ProtocolError(`frame of type ${type} from a worker`);
  const reader = new ByteReader(header);
  const head = { sequence: 0, status: 0, startMs: 0, runUs: 0 };
  while (reader.remaining > 0) {
    readReplyHead(reader, head);
    if (head.status !== ReplyStatus.results) {
      const bytes = reader.raw(reader.varint());
      if (head.status !== ReplyStatus.cancelled) visitValue(new ByteReader(bytes), refs);
      if (head.status === ReplyStatus.errorWithRefs) {
        for (const { id } of readReplyRefs(reader)) refs.ref(id);
      }
      continue;
    }
    for (const result of readResults(reader)) {
      for (const { id } of result.contains) refs.ref(id);
      if (result.kind === ValueKind.inline) visitValue(new ByteReader(result.bytes), refs);
    }
  }
}

function inspectItems(header: Uint8Array, refs: RefVisitor): void {
  const reader = new ByteReader(header);
  const item = newItemReport();
  while (reader.remaining > 0) {
    readItem(reader, item);
    for (const { id } of item.contains) refs.ref(id);
    if (item.bytes !== null) visitValue(new ByteReader(item.bytes), refs);
  }
}
