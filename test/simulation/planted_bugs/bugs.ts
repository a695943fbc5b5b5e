/**
 * Bugs of the kinds that a rebuild of a scheduler makes, one or more in every machine. Each must be found by the
 * simulation's seeds; README.md beside this file says by which.
 * @module
 */
import type { PlantedBug } from "./planted_bug.ts";

/** Seeds within which a bug must be found. */
export const SEEDS: number = 200;

export const PLANTED_BUGS: readonly PlantedBug[] = [
  {
    name: "a remote grant that crosses its cancellation leaks",
    file: "scheduler/local_scheduler.ts",
    text:
      'return state.emit({ type: "returnRemoteLease", nodeId, leaseId, workerId, discardWorker: false });',
    replacement: "return;",
    effect: "A request that was taken back from a node keeps a worker there busy with nothing.",
  },
  {
    name: "capacity is compared with the total",
    file: "scheduler/node_resources.ts",
    text: "if (!fits(this.available, request)) return null;",
    replacement: "if (!fits(this.total, request)) return null;",
    effect: "A node runs any number of tasks at once, each of which fits it alone.",
  },
  {
    name: "no rollback of a failed start",
    file: "scheduler/scheduler_state.ts",
    text:
      "    entry.allocation.pool.release(entry.allocation);\n    entry.allocation = null;\n    this.awaitingWorker.delete(entry);\n    this.#promise(entry);",
    replacement:
      "    entry.allocation = null;\n    this.awaitingWorker.delete(entry);\n    this.#promise(entry);",
    effect: "Each worker that does not come up takes a CPU with it.",
  },
  {
    name: "a dead process's remote leases stay",
    file: "scheduler/lease_endings.ts",
    text: 'state.emit({ type: "returnRemoteLease", nodeId, leaseId, workerId, discardWorker: true });',
    replacement: "void [nodeId, leaseId, workerId];",
    effect: "A killed driver's workers on other nodes are never given back.",
  },
  {
    name: "lent CPUs come back twice",
    file: "scheduler/node_resources.ts",
    text: "if (allocation.cpuLent) this.takeCpu(allocation);",
    replacement: "",
    effect: "A worker that dies while its task waits in get leaves a CPU too many on its node.",
  },
  {
    name: "an exited worker is still idle",
    file: "scheduler/worker_pool.ts",
    text: `    this.#workers.delete(workerId);
    this.#idle.delete(worker);
    return worker;`,
    replacement: `    this.#workers.delete(workerId);
    return worker;`,
    effect: "Tasks are sent to a process that crashed while it was idle.",
  },
  {
    name: "shallow work first",
    file: "scheduler/lease_queue.ts",
    text: "this.order = [...this.depths.keys()].sort((a, b) => b - a);",
    replacement: "this.order = [...this.depths.keys()].sort((a, b) => a - b);",
    effect: "New roots run before the children that blocked tasks wait for: processes pile up.",
  },
  {
    name: "heartbeats of a dead incarnation count",
    file: "gcs/node_manager.ts",
    text: 'if (node === undefined || node.state === "DEAD" || node.facts.epoch !== heartbeat.epoch) return;',
    replacement: 'if (node === undefined || node.state === "DEAD") return;',
    effect: "A late heartbeat of a node's last life makes the new one's look old: it is declared dead.",
  },
  {
    name: "the head's own pause is the nodes' fault",
    file: "gcs/node_manager.ts",
    text: "node.heardMs = Math.min(nowMs, node.heardMs + lateMs);",
    replacement: "node.heardMs = Math.min(nowMs, node.heardMs);",
    effect: "A head that stands still for eight seconds declares every node dead when it goes on.",
  },
  {
    name: "an acknowledged job is not committed",
    file: "gcs/gcs.ts",
    text: "reply(effect.requestId, { jobId: effect.jobId, namespace: effect.namespace }, true, out);",
    replacement: "reply(effect.requestId, { jobId: effect.jobId, namespace: effect.namespace }, false, out);",
    effect: "A head that crashes at the wrong moment ends the job of a driver that has just begun.",
  },
  {
    name: "an old incarnation's end counts",
    file: "actor/actor_manager.ts",
    text: 'if (entry === undefined || entry.state === "DEAD" || entry.incarnation !== incarnation) return;',
    replacement: 'if (entry === undefined || entry.state === "DEAD") return;',
    effect: "A late report of a worker's end restarts the actor that has replaced it.",
  },
  {
    name: "one restart too many",
    file: "actor/actor_life.ts",
    text: "if (entry.restartsLeft > 0 && !preempted) entry.restartsLeft--;",
    replacement: "if (entry.restartsLeft > 1 && !preempted) entry.restartsLeft--;",
    effect: "An actor with maxRestarts: 1 is restarted for ever.",
  },
  {
    name: "a retry costs nothing",
    file: "worker/delayed_retries.ts",
    text: 'else if (cause?.code !== "PREEMPTED" && task.retriesLeft > 0) task.retriesLeft--;',
    replacement: 'else if (cause?.code !== "PREEMPTED" && task.retriesLeft > 1) task.retriesLeft--;',
    effect: "A task that kills its worker runs again and again.",
  },
  {
    name: "freed objects come back",
    file: "object/object_directory.ts",
    text: "if (this.#freed.has(object.id)) late.push(object.id);",
    replacement: "if (this.#freed.has(object.id) && this.#objects.has(object.id)) late.push(object.id);",
    effect: "A copy that is reported after its object was freed stays in its node's memory for good.",
  },
  {
    name: "a replaced connection's end counts",
    file: "gcs/node_manager.ts",
    text: `      this.#byConnection.delete(known.connection);
      out.push({
        type: "closeConnection",`,
    replacement: `      out.push({
        type: "closeConnection",`,
    effect: "A node that connected again is taken for lost when the end of its old connection arrives.",
  },
  {
    name: "a dead actor keeps its name",
    file: "actor/actor_table.ts",
    text: "      this.#names.delete(nameKey(namespace, name));\n",
    replacement: "",
    effect: "Nobody can ever create an actor of that name again.",
  },
  {
    name: "an ended job's driver still has it",
    file: "gcs/job_manager.ts",
    text: "    this.#byDriver.delete(job.driverId);\n",
    replacement: "",
    effect: "A driver that asks again for a job is given one that has ended.",
  },
  {
    name: "suspects are taken for dead",
    file: "scheduler/global_scheduler.ts",
    text: `      const problem = node === undefined
        ? "it is dead or unknown"`,
    replacement: `      const problem = node === undefined || node.state === "SUSPECT"
        ? "it is dead or unknown"`,
    effect: "Work that must run on one node fails because that node was silent for two seconds.",
  },
  {
    name: "an aborted object's range is lost",
    file: "object/object_table.ts",
    text: `    this.#creating.delete(creationKey(holder, id));
    this.#free(nowMs, creation);`,
    replacement: "    this.#creating.delete(creationKey(holder, id));",
    effect: "The object store fills up with what was never finished.",
  },
  {
    name: "free neighbours are not merged",
    file: "object/range_allocator.ts",
    text: "const after = end === this.#top ? 0 : this.#lengths[end]! * kind;",
    replacement: "const after = 0 as number;",
    effect: "The store falls to pieces: it is half empty, and large objects find no room.",
  },
  {
    name: "a dead node still holds refs",
    file: "object/references.ts",
    text: "          if (counted.nodes.delete(event.node)) this.#decide(counted, effects);",
    replacement: "          void counted;",
    effect: "What a node borrowed before it died is never freed.",
  },
  {
    name: "a failed reservation is not rolled back",
    file: "gcs/group_reservations.ts",
    text: `      out.push({ type: "releaseBundles", nodeId, groupId, indices, removed: false, message });
    }
    entry.round = null;`,
    replacement: `      void [nodeId, groupId, indices, out];
    }
    entry.round = null;`,
    effect: "Nodes keep CPUs for a placement group that was not placed, and nobody else can use them.",
  },
  {
    name: "an actor keeps its constructor's arguments",
    file: "scheduler/local_scheduler.ts",
    text: "if (lease !== undefined) this.#endings.releaseArguments(lease);",
    replacement: "void lease;",
    effect: "A task with large arguments waits for ever beside an actor that was given a small one.",
  },
  {
    name: "a place in a broadcast is never free again",
    file: "object/fan_out.ts",
    text: "if (--receiver.streams > 0) return;",
    replacement: "if (--receiver.streams >= 0) return;",
    effect: "Whoever asks for an object later is sent round among nodes that do not have it any more.",
  },
];
