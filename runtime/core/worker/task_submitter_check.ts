/**
 * What must always hold of the task submitter (task_submitter.ts), for tests and the simulator.
 * @module
 */
import type { ClassQueue, Lease, SubmittedTask, SubmitterLimits } from "./task_submitter_types.ts";

/** Whether this is the class of one task, which has stored arguments. */
export function isArgumentKey(key: string): boolean {
  return key.includes("#");
}

/** Throw when an invariant is broken. */
export function checkSubmitter<T extends SubmittedTask>({ queues, requests, leases, limits }: {
  readonly queues: ReadonlyMap<string, ClassQueue<T>>;
  readonly requests: ReadonlyMap<string, ClassQueue<T>>;
  readonly leases: ReadonlyMap<string, Lease<T>>;
  readonly limits: SubmitterLimits;
}): void {
  let argumentRequests = 0;
  for (const [requestId, queue] of requests) {
    if (!queue.requests.has(requestId)) throw new Error(`request ${requestId} is unknown to its class`);
    if (isArgumentKey(queue.key)) argumentRequests++;
  }
  if (argumentRequests > limits.argumentRequests) throw new Error("more argument requests than allowed");
  for (const lease of leases.values()) checkLease(lease);
  for (const queue of queues.values()) {
    if (queue.requests.size > limits.requestsPerClass) throw new Error("too many requests for one class");
  }
}

function checkLease<T extends SubmittedTask>(lease: Lease<T>): void {
  if (!lease.queue.leases.has(lease)) {
    throw new Error(`lease ${lease.grant.leaseId} is unknown to its class`);
  }
  let load = 0;
  let bytes = 0;
  let exclusive = 0;
  for (const task of lease.inFlight.values()) {
    load += task.expectedUs;
    bytes += task.bytes;
    if (task.exclusive) exclusive++;
  }
  if (Math.abs(load - lease.loadUs) > 1) throw new Error(`load is ${lease.loadUs}, its tasks sum to ${load}`);
  if (bytes !== lease.loadBytes) throw new Error(`${bytes} bytes in flight, counted ${lease.loadBytes}`);
  if (exclusive > 0 && lease.inFlight.size > 1) throw new Error("an exclusive task shares its worker");
}
