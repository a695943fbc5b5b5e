/**
 * The hot messages, between a submitter and a worker: task pushes and their replies, in binary, many in a frame. Nothing
 * here allocates per field; values inside are encoded values (serialization/), written and skipped as they are.
 *
 *   submitter -> worker   define  assign  pushTasks  pushCalls  pushHosted  returned  cancel  credits  stopItems  itemsReturned
 *   worker -> submitter   items  replies  handBack  retired  covered
 *
 * Order matters and is kept: `define` comes before the first push that uses its index, and a generator's items before its
 * reply. Items are in push_items.ts.
 * @module
 */
import type { ActorId, NodeId, ObjectId, ProcessId, TaskId } from "../common/ids.ts";
import type { AssignedGroup } from "../common/placement_group.ts";
import type { ByteReader, ByteWriter } from "./serialization/mod.ts";
import { ProtocolError } from "./protocol_error.ts";

/** Frame types on push connections. */
export const PushType = {
  /** Header JSON FunctionDefinition, section 0 the source, section 1 the encoded captures. */
  define: 32,
  pushTasks: 33,
  pushCalls: 34,
  replies: 35,
  /** Sequence numbers of tasks that were not started. */
  handBack: 36,
  /** Sequence numbers whose results' refs are now held by the submitter. */
  returned: 37,
  /** Header JSON Assignment: what the lease holds, before its first push. */
  assign: 38,
  /** Items of generators, as soon as they exist. */
  items: 39,
  /** How far a generator's items were read. */
  credits: 40,
  /** Sequence numbers of generators whose reader has left. */
  stopItems: 41,
  /** Items whose refs are now held by the submitter. */
  itemsReturned: 42,
  /** A CancelOrder: see readCancel. Repeated until the tasks are gone. */
  cancel: 44,
  /** The worker takes no more tasks (maxCalls). Sequence numbers of those that it has not started. */
  retired: 45,
  /** A durable actor's id, and the number up to which a checkpoint holds what it has answered. */
  covered: 47,
  /** Calls to light actors: before each the actor's id and its incarnation. */
  pushHosted: 46,
} as const;

/** What a lease's tasks may use, for runtimeContext(). In resource units. */
export interface Assignment {
  readonly resources: Readonly<Record<string, number>>;
  readonly gpuIds: readonly number[];
  /** The placement group that they run in; absent outside of one. */
  readonly group?: AssignedGroup;
}

/** Code that rides with the first push: `index` is its name on this connection. */
export interface FunctionDefinition {
  readonly index: number;
  readonly hash: string;
  readonly kind: "function" | "class";
  readonly name: string;
  /** Runs of this function after which the worker process ends; absent: no limit. */
  readonly maxCalls?: number;
}

/** How one argument or result travels. */
export const ValueKind = { inline: 0, stored: 1 } as const;

const HAS_DETAILS = 1;
const GIVES_ITEMS = 2;
const HAS_GROUP = 4;
const MAKES_AGAIN = 8;

/** What the worker of a generator is told: its items are reported one by one. */
export interface ItemsRequest {
  /** How many unread items it may be ahead; 0: no such limit. */
  readonly backpressure: number;
  /** How many items there are refs for; null: as many as come. */
  readonly limit: number | null;
  /** Items before this index are there already, from an earlier attempt. */
  readonly from: number;
  /** How many of those were read. */
  readonly read: number;
  /** Only these are wanted, in order, and nothing after the last: the others are there. Null: all. */
  readonly wanted: readonly number[] | null;
}

/** A task whose results are lost, and are made again by another one: what is stored is stored as its. */
export interface MakesAgain {
  readonly task: TaskId;
  /** Who counts its results, and who made them at first. */
  readonly home: NodeId;
  readonly owner: ProcessId;
}

/** What a worker is told of one task or actor call, before its arguments. */
export interface PushHead {
  sequence: number;
  /** Index of the function (tasks), or the method's name (calls). */
  target: number | string;
  attempt: number;
  numReturns: number;
  depth: number;
  /** Null for what is no generator. */
  items: ItemsRequest | null;
  /** Null: its results are its own. */
  as: MakesAgain | null;
  /** An actor call's concurrency group; "": the default one, and for tasks. */
  group: string;
}

/** A head to be filled in, for one task or call after the other. */
export function newHead(): PushHead {
  return { sequence: 0, target: 0, attempt: 0, numReturns: 1, depth: 0, items: null, as: null, group: "" };
}

/** The arguments of a task or call. */
export interface PushArguments {
  /** Writes their length and then their bytes. */
  writeTo(writer: ByteWriter): void;
}

/** Write one task or call: head, then the arguments' bytes as one block. */
export function writePush(writer: ByteWriter, head: Readonly<PushHead>, args: PushArguments): void {
  writer.varint(head.sequence);
  if (typeof head.target === "number") writer.varint(head.target);
  else writer.string(head.target);
  const { items, as, group } = head;
  const plain = head.attempt === 0 && head.numReturns === 1 && head.depth === 0 && items === null &&
    as === null && group === "";
  writer.u8(plain ? 0 : flagsOf(head));
  if (!plain) {
    writer.varint(head.attempt);
    writer.varint(head.numReturns);
    writer.varint(head.depth);
  }
  if (items !== null) {
    writer.varint(items.backpressure);
    writer.varint(items.limit === null ? 0 : items.limit + 1);
    writer.varint(items.from);
    writer.varint(items.read);
    writer.varint(items.wanted === null ? 0 : items.wanted.length + 1);
    for (const index of items.wanted ?? []) writer.varint(index);
  }
  if (as !== null) {
    writer.string(as.task);
    writer.string(as.home);
    writer.string(as.owner);
  }
  if (group !== "") writer.string(group);
  args.writeTo(writer);
}

/** Which light actor the next call of a pushHosted frame is for; null: the same as the call before it. */
export function writeHostedActor(writer: ByteWriter, actorId: ActorId | null, incarnation: number): void {
  writer.string(actorId ?? "");
  if (actorId !== null) writer.varint(incarnation);
}

function flagsOf({ items, as, group }: Readonly<PushHead>): number {
  return HAS_DETAILS | (items === null ? 0 : GIVES_ITEMS) | (group === "" ? 0 : HAS_GROUP) |
    (as === null ? 0 : MAKES_AGAIN);
}

/** Read into `head` (reused); answers the arguments' block, a view. */
export function readPush(reader: ByteReader, head: PushHead, isCall: boolean): Uint8Array {
  head.sequence = reader.varint();
  head.target = isCall ? reader.string() : reader.varint();
  const flags = reader.u8();
  head.items = null;
  head.as = null;
  head.group = "";
  if (flags === 0) {
    head.attempt = 0;
    head.numReturns = 1;
    head.depth = 0;
  } else {
    head.attempt = reader.varint();
    head.numReturns = reader.varint();
    head.depth = reader.varint();
    if ((flags & GIVES_ITEMS) !== 0) head.items = readItemsRequest(reader);
    if ((flags & MAKES_AGAIN) !== 0) head.as = readMakesAgain(reader);
    if ((flags & HAS_GROUP) !== 0) head.group = reader.string();
  }
  return reader.raw(reader.varint());
}

function readMakesAgain(reader: ByteReader): MakesAgain {
  const task = reader.string() as TaskId;
  const home = reader.string() as NodeId;
  const owner = reader.string() as ProcessId;
  return { task, home, owner };
}

function readItemsRequest(reader: ByteReader): ItemsRequest {
  const backpressure = reader.varint();
  const limitPlusOne = reader.varint();
  const limit = limitPlusOne === 0 ? null : limitPlusOne - 1;
  const from = reader.varint();
  const read = reader.varint();
  const wantedPlusOne = boundedCount(reader);
  const wanted: number[] | null = wantedPlusOne === 0 ? null : [];
  for (let left = wantedPlusOne - 1; left > 0; left--) wanted!.push(reader.varint());
  return { backpressure, limit, from, read, wanted };
}

/** How a task ended. */
export const ReplyStatus = {
  /** One inline value: the short form. */
  value: 0,
  /** An encoded error. */
  error: 1,
  /** Any number of results, inline or stored, and refs inside them. */
  results: 2,
  /** As `error`; the worker cannot start the task at all (code or arguments missing): system failures, not the user's. */
  systemError: 3,
  /** It was cancelled: it did not run, or user code ended for that reason. No bytes: the submitter words the error. */
  cancelled: 4,
  /** As `error`, then the refs inside it, as in `results`. */
  errorWithRefs: 5,
} as const;

/** One result in the long form. */
export type ReplyResult =
  | {
    readonly kind: typeof ValueKind.inline;
    readonly bytes: Uint8Array;
    readonly contains: readonly ReplyRef[];
  }
  | { readonly kind: typeof ValueKind.stored; readonly size: number; readonly contains: readonly ReplyRef[] };
export interface ReplyRef {
  readonly id: string;
  readonly home: NodeId;
}

/** The part that all replies share. */
export interface ReplyHead {
  sequence: number;
  status: number;
  /** When user code began, milliseconds since the epoch. */
  startMs: number;
  runUs: number;
}

export function writeReplyHead(writer: ByteWriter, head: Readonly<ReplyHead>): void {
  writer.varint(head.sequence);
  writer.u8(head.status);
  writer.f64(head.startMs);
  writer.varint(head.runUs);
}

export function readReplyHead(reader: ByteReader, head: ReplyHead): void {
  head.sequence = reader.varint();
  head.status = reader.u8();
  head.startMs = reader.f64();
  head.runUs = reader.varint();
}

export function writeResults(writer: ByteWriter, results: readonly ReplyResult[]): void {
  writer.varint(results.length);
  for (const result of results) {
    writer.u8(result.kind);
    if (result.kind === ValueKind.inline) {
      writer.varint(result.bytes.length);
      writer.raw(result.bytes);
    } else {
      writer.varint(result.size);
    }
    writeReplyRefs(writer, result.contains);
  }
}

/** Refs inside a value. */
export function writeReplyRefs(writer: ByteWriter, refs: readonly ReplyRef[]): void {
  writer.varint(refs.length);
  for (const ref of refs) writeRef(writer, ref.id, ref.home);
}

export function readReplyRefs(reader: ByteReader): ReplyRef[] {
  const refs: ReplyRef[] = [];
  for (let left = boundedCount(reader); left > 0; left--) {
    refs.push({ id: reader.string(), home: reader.string() as NodeId });
  }
  return refs;
}

export function readResults(reader: ByteReader): ReplyResult[] {
  const count = boundedCount(reader);
  const results: ReplyResult[] = [];
  for (let i = 0; i < count; i++) {
    const kind = reader.u8();
    if (kind !== ValueKind.inline && kind !== ValueKind.stored) {
      throw new ProtocolError(`result of kind ${kind}`);
    }
    const bytes = kind === ValueKind.inline ? reader.raw(reader.varint()) : null;
    const size = bytes === null ? reader.varint() : 0;
    const contains = readReplyRefs(reader);
    results.push(
      bytes !== null
        ? { kind: ValueKind.inline, bytes, contains }
        : { kind: ValueKind.stored, size, contains },
    );
  }
  return results;
}

/** A stored argument inside an arguments' block. */
export function writeRef(writer: ByteWriter, id: ObjectId | string, home: NodeId): void {
  writer.string(id);
  writer.string(home);
}

export function writeSequences(writer: ByteWriter, sequences: readonly number[]): void {
  writer.varint(sequences.length);
  for (const sequence of sequences) writer.varint(sequence);
}

export function readSequences(reader: ByteReader): number[] {
  const count = boundedCount(reader);
  const sequences: number[] = [];
  for (let i = 0; i < count; i++) sequences.push(reader.varint());
  return sequences;
}

/** Tasks of one submitter that are to end. */
export interface CancelOrder {
  /** End the worker with what it runs. Plain tasks only. */
  readonly force: boolean;
  /** What these tasks have submitted is cancelled too. */
  readonly recursive: boolean;
  readonly sequences: readonly number[];
}

export function writeCancel(writer: ByteWriter, { force, recursive, sequences }: CancelOrder): void {
  writer.u8((force ? 1 : 0) | (recursive ? 2 : 0));
  writeSequences(writer, sequences);
}

export function readCancel(reader: ByteReader): CancelOrder {
  const flags = reader.u8();
  return { force: (flags & 1) !== 0, recursive: (flags & 2) !== 0, sequences: readSequences(reader) };
}

export function writeCovered(writer: ByteWriter, actorId: ActorId, through: number): void {
  writer.string(actorId);
  writer.varint(through);
}

export function readCovered(reader: ByteReader): { readonly actorId: ActorId; readonly through: number } {
  return { actorId: reader.string() as ActorId, through: reader.varint() };
}

/** A count of things that take at least a byte each: never more than bytes are left. */
export function boundedCount(reader: ByteReader): number {
  const count = reader.varint();
  if (count > reader.remaining) {
    throw new ProtocolError(`${count} things announced, ${reader.remaining} bytes left`);
  }
  return count;
}
