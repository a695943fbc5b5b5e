/**
 * What the parts of one simulated cluster share, and the books that the checkers read: kept beside the machines, from what
 * really happened (processes that run, bytes that lie somewhere), so that the two can be compared.
 * @module
 */
import type { ActorId, NodeId, ProcessId } from "../../runtime/common/ids.ts";
import { Prng } from "../../runtime/common/prng.ts";
import { checkDeath, type Disturbance, type Severity } from "./checkers/nodes.ts";
import { RefBook } from "./checkers/references.ts";
import { TaskLedger } from "./checkers/tasks.ts";
import { EventLoop, type TraceMode } from "./event_loop.ts";
import { Network } from "./network.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimDriver } from "./sim_driver.ts";
import { SimHead } from "./sim_head.ts";
import type { SimWorker } from "./sim_worker.ts";

/** A broken promise of the cluster: what, where, when. */
export class SimulationFailure extends Error {
  override readonly name: string = "SimulationFailure";
}

/** What the workload has asked of one actor. */
export interface ActorBook {
  readonly actorId: ActorId;
  readonly name: string;
  /** The head has acknowledged its creation (with itself as the answer). */
  acknowledged: boolean;
  /** Refused: the name is taken, or another one was answered by getIfExists. */
  refused: boolean;
  /** Somebody asked to end it for good; its last handle was released. */
  killed: boolean;
  dropped: boolean;
}

export class SimWorld {
  readonly seed: number;
  readonly loop: EventLoop;
  readonly network: Network;
  readonly head: SimHead;
  /** For what goes wrong, and for what people ask for: separate, so that one does not shift the other. */
  readonly faults: Prng;
  readonly work: Prng;
  readonly ids: Prng;
  /** For what chance alone seldom brings about: refs that are kept, what many nodes want at once, faults that hit just then. */
  readonly sharing: Prng;
  /** Present incarnations of all agents that were ever started, by node. */
  readonly agents: Map<NodeId, SimAgent> = new Map();
  /** All and only worker processes that run, anywhere. */
  readonly workers: Map<ProcessId, SimWorker> = new Map();
  /** Every driver that was ever started. */
  readonly drivers: SimDriver[] = [];
  readonly actors: Map<ActorId, ActorBook> = new Map();
  readonly refs: RefBook = new RefBook();
  /** Of each node's store. */
  readonly storeBytes: number;
  readonly tasks: TaskLedger = new TaskLedger(this);
  /** What went wrong, by chance or on purpose. */
  readonly disturbances: Disturbance[] = [];
  /** Nodes of which an incarnation was declared dead. */
  readonly fallen: Set<NodeId> = new Set();
  /** Nodes of which an incarnation really ended, with all that lay there. The head may not have noticed. */
  readonly ended: Set<NodeId> = new Set();
  /** An actor that holds a CPU for life has been created. */
  cpuActor: boolean = false;
  /** While true, processes crash and things fail by chance. */
  stormy: boolean = true;
  /** Told of every lease that a node grants, with what is then held. */
  onGrant: (agent: SimAgent, leaseId: string, key: string) => void = () => undefined;

  constructor(seed: number, mode: TraceMode) {
    const prng = new Prng(seed);
    this.seed = seed;
    this.loop = new EventLoop(mode);
    this.network = new Network(this.loop, prng.fork());
    this.head = new SimHead(this.loop, this.network, prng.fork());
    this.faults = prng.fork();
    this.work = prng.fork();
    this.ids = prng.fork();
    this.sharing = prng.fork();
    this.storeBytes = this.work.pick([200_000_000, 400_000_000, 2_000_000_000]);
    this.head.onDeath = (record) => checkDeath(this, record);
  }

  randomId(): string {
    return this.ids.uint32().toString(16).padStart(8, "0");
  }

  /** Whether something goes wrong now: only while faults are on. */
  mishap(percent: number): boolean {
    return this.stormy && this.faults.chance(percent);
  }

  /** `epoch`: of the one incarnation that it concerns; null for all. */
  disturbed(where: NodeId | "head", severity: Severity, epoch: number | null = null): void {
    this.disturbances.push({ atMs: this.loop.elapsedMs, where, severity, epoch });
  }

  fail(message: string): never {
    throw new SimulationFailure(`${message} (seed ${this.seed}, at ${this.loop.elapsedMs} ms)`);
  }
}
