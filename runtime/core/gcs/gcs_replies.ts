/**
 * Small builders of the GCS's effects and of placements for actors.
 * @module
 */
import type { ActorId, NodeId } from "../../common/ids.ts";
import { labelWishesOf } from "../../common/labels.ts";
import type { ActorSpec } from "../../common/task_spec.ts";
import type { NodeMethods } from "../../protocol/messages.ts";
import type { PickRequest } from "../scheduler/pick_request.ts";
import type { GcsEffect, SendEffect } from "./gcs_events.ts";

export function send<M extends keyof NodeMethods>(
  nodeId: NodeId,
  method: M,
  params: NodeMethods[M]["params"],
  afterCommit: boolean,
  out: GcsEffect[],
): void {
  // The union is distributed over the methods; the compiler cannot see that M is one of them.
  out.push({ type: "send", nodeId, method, params, afterCommit } as SendEffect);
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

/** The placement of one incarnation of an actor. */
export function actorPick(spec: ActorSpec, incarnation: number): PickRequest {
  const { actorId, jobId, className, placementResources, strategy, args } = spec;
  return {
    key: actorPickKey(actorId, incarnation),
    kind: "actor",
    asker: null,
    jobId,
    name: className,
    resources: placementResources,
    strategy,
    ...labelWishesOf(spec),
    args,
    exclude: [],
  };
}

export function actorPickKey(actorId: ActorId, incarnation: number): string {
  return `actor ${actorId}/${incarnation}`;
}
