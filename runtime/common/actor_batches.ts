/**
 * Light actors travel by the thousand: what those of one class and the same options have in common is said once.
 * @module
 */
import type { ActorId } from "./ids.ts";
import type { ActorSpec, ArgumentRef } from "./task_spec.ts";

/** What the actors of one batch have in common. */
export type CommonSpec = Omit<ActorSpec, "actorId" | "args">;

/** Actors in order. Their constructor arguments ride beside it as one block. */
export interface ActorBatch {
  readonly common: CommonSpec;
  readonly actorIds: readonly ActorId[];
  /** Stored arguments of those that have any, by index. */
  readonly stored: readonly (readonly [index: number, args: readonly ArgumentRef[]])[];
  /** How many bytes of the block are each actor's. */
  readonly argBytes: readonly number[];
}

/** One actor of a batch. */
export interface BatchedActor {
  readonly spec: ActorSpec;
  /** Its serialized constructor arguments: a view of the block. */
  readonly args: Uint8Array;
}

const NONE: readonly ArgumentRef[] = Object.freeze([]);

/** Whether two actors differ in nothing but their ids and arguments. May say false of equal ones that were made apart. */
export function haveCommonSpec(one: CommonSpec, other: CommonSpec): boolean {
  if (one === other) return true;
  for (const key of Object.keys(one) as (keyof CommonSpec)[]) {
    if (key !== ("args" as string) && key !== ("actorId" as string) && one[key] !== other[key]) return false;
  }
  return Object.keys(one).length === Object.keys(other).length;
}

/** `specs`: at least one, with the same common part. `argBytes` is left for {@link packArguments}. */
export function packSpecs(specs: readonly ActorSpec[]): Omit<ActorBatch, "argBytes"> {
  const { actorId: _id, args: _args, ...common } = specs[0]!;
  const stored: [number, readonly ArgumentRef[]][] = [];
  for (const [index, { args }] of specs.entries()) if (args.length > 0) stored.push([index, args]);
  return { common, actorIds: specs.map(({ actorId }) => actorId), stored };
}

/** All arguments as one block, with the length of each. */
export function packArguments(
  blocks: readonly Uint8Array[],
): { readonly argBytes: number[]; readonly block: Uint8Array } {
  let total = 0;
  for (const { length } of blocks) total += length;
  const block = new Uint8Array(total);
  let at = 0;
  for (const bytes of blocks) {
    block.set(bytes, at);
    at += bytes.length;
  }
  return { argBytes: blocks.map(({ length }) => length), block };
}

/** The actors of a batch. RangeError when the block is not as long as the batch says. */
export function unpackActors(
  { common, actorIds, stored, argBytes }: ActorBatch,
  block: Uint8Array,
): BatchedActor[] {
  const refs = new Map(stored);
  let at = 0;
  const actors = actorIds.map((actorId, index): BatchedActor => {
    const from = at;
    at += argBytes[index]!;
    return { spec: { ...common, actorId, args: refs.get(index) ?? NONE }, args: block.subarray(from, at) };
  });
  if (at !== block.length || argBytes.length !== actorIds.length) {
    throw new RangeError(
      `A batch of ${actorIds.length} actors says ${at} bytes of arguments, ${block.length} came`,
    );
  }
  return actors;
}
