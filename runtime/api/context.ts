/**
 * runtimeContext(): where code runs.
 * @module
 */
import type { ActorHandle, RuntimeContext } from "../common/public_types.ts";
import { fromUnits } from "../common/resources.ts";
import { infoOf } from "../io/core_worker/handle_info.ts";
import { MobulaError } from "../common/errors.ts";
import { currentCoreWorker } from "../io/core_worker/current.ts";
import { PlacementGroup } from "../io/core_worker/placement_group.ts";
import { neverAborted } from "../io/core_worker/never_aborted.ts";
import { workerState } from "../io/core_worker/worker_state.ts";

/**
 * Where this code runs: job, node, worker, task, actor. In a driver, task and actor are null.
 * @throws {MobulaError} when this process is not connected.
 */
export function runtimeContext(): RuntimeContext {
  const core = currentCoreWorker();
  // Nothing is known of it while it connects.
  if (core === null || core.identity.jobId === "") {
    throw new MobulaError("Not connected to a cluster: await init() before runtimeContext()", {
      code: "NotInitialized",
    });
  }
  const state = workerState();
  const task = state?.context.current ?? null;
  const actor = task?.actor ?? state?.actor ?? null;
  const { identity } = core;
  return {
    jobId: identity.jobId,
    nodeId: identity.node,
    workerId: identity.self,
    namespace: identity.namespace,
    get taskId() {
      return task?.taskId ?? null;
    },
    taskName: task?.taskName ?? null,
    attempt: task?.attempt ?? 0,
    actorId: actor?.spec.actorId ?? null,
    actorName: actor?.spec.name ?? null,
    assignedResources: fromUnits(task?.assigned.resources ?? {}),
    gpuIds: [...task?.assigned.gpuIds ?? []],
    get placementGroup() {
      const info = task?.assigned.group?.info ?? actor?.spec.group;
      return info === undefined ? null : new PlacementGroup(info) as RuntimeContext["placementGroup"];
    },
    get signal() {
      return task?.signal ?? neverAborted();
    },
    wasReconstructed: actor?.restarted ?? false,
    actorHandle<T>(): ActorHandle<T> {
      if (actor === null) throw new TypeError("actorHandle() can be used inside an actor only");
      return core.actors.handleOf(infoOf(actor.spec)) as unknown as ActorHandle<T>;
    },
  };
}
