/**
 * Small builders of the GCS's effects and of placements for actors.
 * @module
 */
import type { ActorId, NodeId } from "../../common/ids.ts";
import { labelWishesOf } from "../../common/labels.ts";
import type { ActorSpec, Strategy } from "../../common/task_spec.ts";
import type { NodeMethods, NodeOrder } from "../../protocol/messages.ts";
import type { PickRequest } from "../scheduler/pick_request.ts";
import type { NodeManager } from "./node_manager.ts";
import type { TaskPick } from "./open_picks.ts";
import type { GcsEffect, SendEffect } from "./gcs_events.ts";

export function send<M extends NodeOrder>(
  nodeId: NodeId,
  method: M,
  params: NodeMethods[M]["params"],
  afterCommit: boolean,
  out: GcsEffect[],
): void {
  // The union is distributed over the methods; the compiler cannot see that M is one of them.
  out.push({ type: "send", nodeId, method, params, afterCommit } as SendEffect);
}

/** To every node that can be reached now. */
export function broadcast<M extends NodeOrder>(
  nodes: NodeManager,
  method: M,
  params: NodeMethods[M]["params"],
  afterCommit: boolean,
  out: GcsEffect[],
): void {
  for (const nodeId of nodes.members()) {
    if (nodes.connectionOf(nodeId) !== null) send(nodeId, method, params, afterCommit, out);
  }
}

export function reply(
  requestId: string,
  result: Readonly<Record<string, unknown>>,
  afterCommit: boolean,
  out: GcsEffect[],
): void {
  out.push({ type: "reply", requestId, result, afterCommit });
}

export function replyError(
  requestId: string,
  error: { readonly code: string; readonly message: string },
  afterCommit: boolean,
  out: GcsEffect[],
): void {
  out.push({ type: "replyError", requestId, code: error.code, message: error.message, afterCommit });
}

/** A request that nobody waits for any more is answered too, so that nobody on the way keeps it open. */
export function replyCancelled(open: { readonly requestId: string } | undefined, out: GcsEffect[]): void {
  if (open === undefined) return;
  replyError(
    open.requestId,
    { code: "TaskCancelledError", message: "The request was cancelled" },
    false,
    out,
  );
}

/** The node for a lease request, with the step for its trace. */
export function replyPicked(
  nowMs: number,
  { requestId, taskId }: TaskPick,
  { nodeId, detail }: { readonly nodeId: NodeId; readonly detail: string },
  out: GcsEffect[],
): void {
  const where = { nodeId: null, processId: null, atMs: nowMs, detail };
  const steps = [{ taskId, journey: "submit", step: 4, name: "globalPick", ...where }];
  reply(requestId, { nodeId, steps }, false, out);
}

/** The placement of one incarnation of an actor. */
export function actorPick(spec: ActorSpec, incarnation: number): PickRequest {
  const { actorId, jobId, className, placementResources, resources, args } = spec;
  // A light actor uses nothing that is counted: they would all go where the first one goes.
  const strategy: Strategy = spec.isolation === "shared" && spec.strategy.type === "hybrid"
    ? { type: "spread" }
    : spec.strategy;
  return {
    key: actorPickKey(actorId, incarnation),
    kind: "actor",
    asker: null,
    jobId,
    name: className,
    // In a bundle it needs no more than it holds: the bundle has been placed already.
    resources: strategy.type === "group" ? resources : placementResources,
    strategy,
    ...labelWishesOf(spec),
    args,
    exclude: [],
  };
}

export function actorPickKey(actorId: ActorId, incarnation: number): string {
  return `actor ${actorId}/${incarnation}`;
}
