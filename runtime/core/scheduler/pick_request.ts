/**
 * What the global scheduler is asked: a place for a lease request or an actor.
 * @module
 */
import type { JobId, NodeId } from "../../common/ids.ts";
import { type LabelWishes, labelWishesOf } from "../../common/labels.ts";
import type { ResourceSet } from "../../common/resources.ts";
import type { ArgumentRef, LeaseRequest, Strategy } from "../../common/task_spec.ts";

/** What is to be placed. */
export interface PickRequest extends LabelWishes {
  /** Names the request: asking again replaces it. */
  readonly key: string;
  readonly kind: "task" | "actor";
  /** The agent that asked; null for the GCS itself. Its death ends the request. */
  readonly asker: NodeId | null;
  readonly jobId: JobId;
  readonly name: string;
  /** What must be free: for actors the placement resources. */
  readonly resources: ResourceSet;
  readonly strategy: Strategy;
  readonly args: readonly ArgumentRef[];
  readonly exclude: readonly NodeId[];
  /** Free at the node that asks, which knows it better than its last heartbeat said. */
  readonly askerAvailable?: ResourceSet | undefined;
  /** It waits there already: moved only to a node that can start it at once. */
  readonly waitingAt?: NodeId | undefined;
}

/** The placement of a lease request that an agent hands over. */
export function pickRequestOf(
  request: LeaseRequest,
  asker: NodeId,
  exclude: readonly NodeId[],
  waitingAt?: NodeId,
  askerAvailable?: ResourceSet,
): PickRequest {
  const { jobId, kind, name, resources, strategy, args } = request;
  return {
    key: leasePickKey(request.submitter, request.requestId),
    kind,
    asker,
    jobId,
    name,
    resources,
    strategy,
    ...labelWishesOf(request),
    args,
    exclude,
    waitingAt,
    askerAvailable,
  };
}

/** The key of the placement of a lease request: request ids are unique within a submitter. */
export function leasePickKey(submitter: string, requestId: string): string {
  return `${submitter}/${requestId}`;
}
