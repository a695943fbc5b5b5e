/**
 * A node that leaves in order: what core/scheduler/node_drain.ts decides, done. Workers that still run at the end are killed
 * with the cause PREEMPTED, which costs neither tasks nor actors a retry; objects that are only here are pulled by others.
 * @module
 */
import type { NodeId, ObjectId } from "../common/ids.ts";
import { type DrainEvent, NodeDrainMachine } from "../core/scheduler/node_drain.ts";
import type { ObjectStore } from "../io/store/store_host.ts";
import type { ObjectReport } from "../protocol/messages.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Leases } from "./agent_leases.ts";
import type { Peers } from "./agent_peers.ts";
import type { ProcessTable } from "./agent_processes.ts";
import type { WorkerProcesses } from "./agent_workers.ts";

/** How often a draining node looks whether it is idle. */
const LOOK_MS = 100;
/** Objects that could not be taken in this time are lost with the node. */
const OFFLOAD_MS = 30_000;
/** Objects in one question to the head. */
const BATCH = 2_000;

export interface DrainParts {
  readonly nodeId: NodeId;
  readonly head: HeadLink;
  readonly peers: Peers;
  readonly processes: ProcessTable;
  readonly leases: Leases;
  readonly workers: WorkerProcesses;
  readonly store: ObjectStore;
  /** Milliseconds since the epoch. */
  readonly nowMs: () => number;
  readonly log: (text: string) => void;
  /** Leave the cluster, with this reason. */
  readonly leave: (reason: string) => void;
}

export class NodeDrain {
  readonly #parts: DrainParts;
  readonly #machine: NodeDrainMachine = new NodeDrainMachine();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(parts: DrainParts) {
    this.#parts = parts;
  }

  /** NodeMethods.drain. Said again, it sets the deadline anew. */
  order({ remainingMs, reason }: { remainingMs: number; reason: string }): void {
    const { leases, processes, log } = this.#parts;
    if (!this.#machine.isDraining) log(`is being drained within ${remainingMs} ms: ${reason}`);
    this.#step({ type: "ordered", remainingMs, reason });
    this.#timer ??= setInterval(() => {
      this.#step({ type: "looked", busy: leases.scheduler.isBusy || processes.hasDrivers });
    }, LOOK_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #step(event: DrainEvent): void {
    const { leases, workers, nowMs, leave, log } = this.#parts;
    const effect = this.#machine.step(nowMs(), event);
    switch (effect?.type) {
      case undefined:
        return;
      case "refuseWork":
        return leases.step({ type: "drain" });
      case "endWorkers": {
        this.close();
        const message = `its node ${this.#parts.nodeId} was drained: ${effect.reason}`;
        void workers.close({ code: "PREEMPTED", message }).then(() => this.#step({ type: "workersEnded" }));
        return;
      }
      case "offload": {
        const late = new Promise<void>((resolve) => setTimeout(resolve, OFFLOAD_MS).unref());
        void Promise.race([this.#offload(), late])
          .catch((error: Error) => log(`could not move its objects: ${error.message}`))
          .then(() => this.#step({ type: "offloaded" }));
        return;
      }
      case "leave":
        return leave(effect.reason);
    }
  }

  async #offload(): Promise<void> {
    const { store, log } = this.#parts;
    const objects = store.objects().filter(({ primary }) => primary);
    let moved = 0;
    for (let begin = 0; begin < objects.length; begin += BATCH) {
      moved += await this.#offloadBatch(objects.slice(begin, begin + BATCH));
    }
    if (objects.length > 0) log(`${moved} of ${objects.length} objects are kept by other nodes`);
  }

  async #offloadBatch(objects: readonly ObjectReport[]): Promise<number> {
    const { head, peers, log } = this.#parts;
    const homes = new Map<ObjectId, NodeId>(objects.map(({ id, home }) => [id, home]));
    const { result } = await head.request("placeObjects", {
      objects: objects.map(({ id, bytes }) => ({ id, bytes })),
    });
    const taken = await Promise.all(result.targets.map(async ({ nodeId, ids }) => {
      try {
        const wanted = ids.map((id) => ({ id, home: homes.get(id)! }));
        const answer = await peers.request(nodeId, "adoptObjects", { objects: wanted });
        return answer.result.adopted.length;
      } catch (error) {
        log(`${nodeId} took none of ${ids.length} objects: ${(error as Error).message}`);
        return 0;
      }
    }));
    return taken.reduce((sum, count) => sum + count, 0);
  }
}
