/**
 * Identifiers: branded strings that name their kind by a prefix, so that a log line or a URL can be resolved without
 * further context. Ids are made from random bits that the caller supplies (the edge) or from counters (the hot path).
 * @module
 */

declare const brand: unique symbol;

/** One node of the cluster: the agent and what it hosts. A restarted agent has a new epoch, not a new id. */
export type NodeId = string & { readonly [brand]: "NodeId" };
/** One process that submits or runs work: a worker (`w-`) or a driver (`d-`). */
export type ProcessId = string & { readonly [brand]: "ProcessId" };
/** One driver's work. */
export type JobId = string & { readonly [brand]: "JobId" };
/** One remote call; retries keep it. */
export type TaskId = string & { readonly [brand]: "TaskId" };
/** One immutable value: a return of a task, or something that was put. */
export type ObjectId = string & { readonly [brand]: "ObjectId" };
/** One actor, through all of its restarts. */
export type ActorId = string & { readonly [brand]: "ActorId" };
/** One placement group. */
export type GroupId = string & { readonly [brand]: "GroupId" };
/** One grant of a worker to a submitter. */
export type LeaseId = string & { readonly [brand]: "LeaseId" };

/** Bytes to lowercase hexadecimal. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

export function nodeId(random: string): NodeId {
  return `n-${random}` as NodeId;
}
export function workerId(random: string): ProcessId {
  return `w-${random}` as ProcessId;
}
export function driverId(random: string): ProcessId {
  return `d-${random}` as ProcessId;
}
export function jobId(random: string): JobId {
  return `j-${random}` as JobId;
}
export function actorId(random: string): ActorId {
  return `a-${random}` as ActorId;
}
export function groupId(random: string): GroupId {
  return `g-${random}` as GroupId;
}

/** The `sequence`-th task that the process `owner` submits: `t-<owner>-<sequence>`. */
export function taskId(owner: ProcessId, sequence: number): TaskId {
  return `t-${owner.slice(2)}-${sequence.toString(36)}` as TaskId;
}
/** The `index`-th return of a task: `o-<owner>-<sequence>.<index>`. */
export function returnId(task: TaskId, index: number): ObjectId {
  return `o${task.slice(1)}.${index}` as ObjectId;
}
/** The `sequence`-th object that the process `owner` puts. */
export function putId(owner: ProcessId, sequence: number): ObjectId {
  return `o-${owner.slice(2)}-p${sequence.toString(36)}` as ObjectId;
}
/** The task that makes an object, or null for one that was put. */
export function taskOfObject(object: ObjectId): TaskId | null {
  const dot = object.lastIndexOf(".");
  return dot < 0 ? null : `t${object.slice(1, dot)}` as TaskId;
}
/** The processes that may own an object: ids do not say whether a driver or a worker made them. */
export function possibleOwners(object: ObjectId): readonly ProcessId[] {
  const random = object.slice(2, object.indexOf("-", 2));
  return [driverId(random), workerId(random)];
}
/** The task that creates an actor: the actor's id with a `t`. */
export function creationTaskId(actor: ActorId): TaskId {
  return `t-${actor.slice(2)}-c` as TaskId;
}
