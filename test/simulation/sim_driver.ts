/**
 * A simulated driver: opens a job, runs its plan of tasks, creates, finds, kills and drops actors, and ends, or is killed.
 * @module
 */
import { actorId, driverId, type JobId, type ProcessId, putId } from "../../runtime/common/ids.ts";
import { toUnits } from "../../runtime/common/resources.ts";
import type { ActorSpec, ActorStatus, ArgumentRef } from "../../runtime/common/task_spec.ts";
import type { TaskPlan } from "./plan.ts";
import type { SimAgent } from "./sim_agent.ts";
import { SimGroups } from "./sim_groups.ts";
import { SimSubmitter } from "./sim_submitter.ts";
import type { ActorBook, SimWorld } from "./sim_world.ts";

/** Few, so that they collide. */
const NAMES = ["", "", "", "alpha", "beta", "gamma"];

export interface DriverPlan {
  readonly tasks: readonly TaskPlan[];
  readonly actors: number;
  /** Whether it ends its job when all is done. */
  readonly leaves: boolean;
}

export class SimDriver {
  readonly id: ProcessId;
  readonly agent: SimAgent;
  readonly plan: DriverPlan;
  /** running until its end is known: done (all outcomes), left, killed, lost with its node, ended by the head. */
  state: "running" | "done" | "left" | "killed" | "lost" | "ended" = "running";
  jobId: JobId | null = null;
  submitter: SimSubmitter | null = null;
  readonly groups: SimGroups;
  /** The last word about each actor that it watches. */
  readonly statuses: Map<string, ActorStatus> = new Map();
  readonly #world: SimWorld;
  readonly #mine: ActorBook[] = [];
  #puts: number = 0;
  #openCalls: number = 0;

  constructor(world: SimWorld, agent: SimAgent, plan: DriverPlan) {
    this.#world = world;
    this.groups = new SimGroups(world, this);
    this.agent = agent;
    this.plan = plan;
    this.id = driverId(world.randomId());
    agent.drivers.set(this.id, this);
    agent.link.request({
      type: "addJob",
      driverId: this.id,
      nodeId: agent.nodeId,
      namespace: "shared",
      entrypoint: "sim",
      pid: 1,
      runtime: "bun",
    }, (answer) => {
      if (!answer.ok) return world.fail(`${this.id} cannot open a job: ${answer.message}`);
      this.#begin(answer.result["jobId"] as JobId);
    });
  }

  get isAlive(): boolean {
    return this.state === "running" || this.state === "done";
  }

  /** Nothing is left to wait for: tasks have outcomes, calls have answers. */
  get isSettled(): boolean {
    const open = this.#openCalls + this.groups.openCount;
    return !this.isAlive || (this.state === "done" && open === 0);
  }

  /** kill -9. */
  kill(): void {
    if (!this.isAlive) return;
    this.state = "killed";
    this.#world.refs.ownerGone(this.id);
    this.submitter?.vanish();
    this.agent.driverExited(this, true);
  }

  /** Its node is gone. */
  vanish(): void {
    if (!this.isAlive) return;
    this.state = "lost";
    this.#world.refs.ownerGone(this.id);
    this.submitter?.vanish();
  }

  /** The head says that its job is over. */
  jobEnded(): void {
    if (!this.isAlive) return;
    if (!this.#world.fallen.has(this.agent.nodeId)) {
      this.#world.fail(`${this.id}'s job is ended while it runs, on a node that never died`);
    }
    this.state = "ended";
    this.submitter?.close();
    this.agent.driverExited(this, true);
  }

  watchAgain(): void {
    for (const { actorId: id } of this.#mine) this.#watch(id);
  }

  heard(status: ActorStatus): void {
    if (!this.#mine.some((book) => book.actorId === status.actorId)) return;
    const before = this.statuses.get(status.actorId);
    this.statuses.set(status.actorId, status);
    if (before === undefined) return;
    if (before.state === "DEAD" && status.state !== "DEAD") {
      this.#world.fail(`${status.actorId} is told to be ${status.state} after its death`);
    }
    if (status.state !== "DEAD" && status.incarnation < before.incarnation) {
      this.#world.fail(`${status.actorId} is told to be incarnation ${status.incarnation} after a later one`);
    }
  }

  #begin(jobId: JobId): void {
    if (!this.isAlive) return;
    this.jobId = jobId;
    this.submitter = new SimSubmitter(this.#world, { id: this.id, agent: this.agent, jobId, depth: 0 });
    const { work } = this.#world;
    for (let index = 0; index < this.plan.actors; index++) {
      this.#later(work.below(6_000), () => this.#createActor());
    }
    for (let index = 0; index < this.plan.actors; index++) {
      this.#later(work.between(500, 15_000), () => this.#disturbActor());
    }
    for (let index = work.below(3); index > 0; index--) {
      this.#later(work.below(5_000), () => this.groups.create());
    }
    this.submitter.run(this.plan.tasks, () => this.#plannedDone());
  }

  /** Then work for its placement groups, should there be any. */
  #plannedDone(): void {
    if (!this.isAlive) return;
    this.submitter!.run(this.groups.plans(), () => this.#tasksDone());
  }

  #tasksDone(): void {
    if (!this.isAlive) return;
    this.state = "done";
    if (!this.plan.leaves) return;
    this.#later(1_000, () => {
      if (!this.isAlive) return;
      this.state = "left";
      this.submitter!.close();
      this.agent.driverExited(this, false);
    });
  }

  #later(ms: number, run: () => void): void {
    this.#world.loop.after(ms, () => {
      if (this.isAlive) run();
    });
  }

  #createActor(): void {
    const { work, loop } = this.#world;
    const id = actorId(this.#world.randomId());
    const name = work.pick(NAMES);
    const args: ArgumentRef[] = [];
    if (work.chance(20)) {
      // It exists only a while after the actor was created.
      const object = { id: putId(this.id, ++this.#puts), home: this.agent.nodeId, bytes: 300_000 };
      args.push(object);
      const report = { ...object, owner: this.id, isError: false, primary: true };
      const { id: put, home } = object;
      loop.after(work.below(800), () => {
        if (!this.isAlive) return;
        this.#world.refs.owned(put, this.id);
        this.agent.references(this.id, [{ op: "own", id: put, home, at: null }]);
        this.agent.store.make(this.id, report, [], () => undefined);
      });
    }
    const cpu = work.pick([0, 0, 0, 1]);
    const spec: ActorSpec = {
      actorId: id,
      jobId: this.jobId!,
      owner: this.id,
      ownerNode: this.agent.nodeId,
      className: "Counter",
      classHash: "h",
      name,
      namespace: "shared",
      detached: name !== "" && cpu === 0 && work.chance(30),
      maxRestarts: work.pick([0, 0, 1, 3, -1]),
      maxTaskRetries: 0,
      maxConcurrency: 1,
      maxPendingCalls: -1,
      resources: toUnits({ CPU: cpu }),
      placementResources: toUnits({ CPU: 1 }),
      strategy: work.chance(20) ? { type: "spread" } : { type: "hybrid" },
      runtimeEnv: { hash: "" },
      args,
      methods: {},
    };
    const book: ActorBook = {
      actorId: id,
      name,
      acknowledged: false,
      refused: false,
      killed: false,
      dropped: false,
    };
    if (cpu > 0) {
      // One holds its CPU for life. Of the others no more than a while: what is left might fit nowhere.
      const isFirst = !this.#world.cpuActor;
      this.#world.cpuActor = true;
      const kill = { type: "killActor", actorId: id, noRestart: true } as const;
      if (!isFirst) {
        this.#later(12_000, () => {
          book.killed = true;
          this.agent.link.request(kill, () => undefined);
        });
      }
    }
    this.#world.actors.set(id, book);
    this.#mine.push(book);
    this.#watch(id);
    this.#openCalls++;
    const getIfExists = name !== "" && work.chance(30);
    this.agent.link.request({ type: "createActor", spec, getIfExists }, (answer) => {
      this.#openCalls--;
      if (answer.ok && answer.result["actorId"] === id) book.acknowledged = true;
      else book.refused = true;
      if (!answer.ok && answer.code !== "NameTakenError") {
        this.#world.fail(`${id} is refused with ${answer.code}: ${answer.message}`);
      }
    });
  }

  #disturbActor(): void {
    const { work } = this.#world;
    if (this.#mine.length === 0) return;
    const book = work.pick(this.#mine);
    const kind = work.below(4);
    this.#openCalls++;
    const answered = (): void => {
      this.#openCalls--;
    };
    if (kind === 0) {
      const request = { type: "killActor", actorId: book.actorId, noRestart: work.chance(60) } as const;
      if (request.noRestart) book.killed = true;
      this.agent.link.request(request, answered);
    } else if (kind === 1) {
      this.agent.link.request({ type: "getActor", name: "alpha", namespace: "shared" }, answered);
    } else {
      this.#openCalls--;
      const dropped = { type: "actorOutOfScope", actorId: book.actorId } as const;
      if (kind === 2) book.dropped = true;
      if (kind === 2) this.agent.link.request(dropped, () => undefined);
    }
  }

  #watch(id: ActorBook["actorId"]): void {
    this.agent.link.notify({ type: "watchActor", nodeId: this.agent.nodeId, actorId: id });
  }
}
