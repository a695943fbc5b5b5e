/**
 * Goal: no scheduling class, submitter or job keeps another one from running, also when leases are kept by somebody with
 * work without end. Method: the real machine in virtual time, with submitters that use their leases as real ones do (one
 * task after the other, given back after the present task when asked); what each got done is counted.
 */
import { describe, test } from "bun:test";
import { strict as assert } from "node:assert";
import type { JobId, ProcessId } from "../../../runtime/common/ids.ts";
import { toUnits } from "../../../runtime/common/resources.ts";
import type { LeaseRequest } from "../../../runtime/common/task_spec.ts";
import { LocalScheduler } from "../../../runtime/core/scheduler/local_scheduler.ts";
import type {
  LocalSchedulerEffect,
  LocalSchedulerEvent,
} from "../../../runtime/core/scheduler/local_scheduler_types.ts";
import { HERE, leaseRequest } from "./local_scheduler_world.ts";

/** How many requests for one class are open, as in the task submitter. */
const REQUESTS = 10;

/** One submitter's tasks of one class, without end. */
class Stream {
  readonly #crowd: Crowd;
  readonly #shape: Partial<LeaseRequest>;
  readonly #taskMs: number;
  readonly #leases: Map<string, { asked: boolean }> = new Map();
  readonly #open: Set<string> = new Set();
  #sequence: number = 0;
  done: number = 0;

  constructor(crowd: Crowd, shape: Partial<LeaseRequest>, taskMs: number) {
    this.#crowd = crowd;
    this.#shape = shape;
    this.#taskMs = taskMs;
  }

  get submitter(): ProcessId {
    return this.#shape.submitter!;
  }
  get held(): number {
    return this.#leases.size;
  }

  /** Keep so many requests open. */
  ask(): void {
    while (this.#open.size < REQUESTS) {
      const requestId = `${this.#shape.classKey}-${++this.#sequence}`;
      this.#open.add(requestId);
      const request = leaseRequest({ ...this.#shape, requestId, backlog: 1_000 });
      this.#crowd.send({ type: "leaseRequested", request, origin: "own", missingBytes: 0 });
    }
  }

  owns(requestId: string): boolean {
    return this.#open.has(requestId);
  }
  granted(requestId: string, leaseId: string): void {
    this.#open.delete(requestId);
    this.#leases.set(leaseId, { asked: false });
    this.ask();
    this.#run(leaseId);
  }
  reclaim(leaseId: string): void {
    const lease = this.#leases.get(leaseId);
    if (lease !== undefined) lease.asked = true;
  }

  #run(leaseId: string): void {
    this.#crowd.after(this.#taskMs, () => {
      this.done++;
      if (!this.#leases.get(leaseId)!.asked) return this.#run(leaseId);
      this.#leases.delete(leaseId);
      this.#crowd.send({ type: "leaseReturned", leaseId, discardWorker: false });
    });
  }
}

/** A machine with streams around it. Workers start at once. */
class Crowd {
  readonly machine: LocalScheduler;
  nowMs: number = 1_000;
  readonly #streams: Stream[] = [];
  readonly #later: { atMs: number; order: number; run: () => void }[] = [];
  #order: number = 0;
  #workers: number = 0;
  #timerMs: number = Infinity;

  constructor(resources: Record<string, number>) {
    this.machine = new LocalScheduler({
      nodeId: HERE,
      leaseIdPrefix: "l",
      resources: toUnits(resources),
      labels: {},
    });
  }

  get workers(): number {
    return this.#workers;
  }

  stream(
    shape: Partial<LeaseRequest> & { cpu?: number },
    taskMs: number = 1,
  ): Stream {
    const { cpu = 1, ...rest } = shape;
    const stream = new Stream(this, {
      submitter: "d-1" as ProcessId,
      resources: toUnits({ CPU: cpu }),
      classKey: `class${this.#streams.length}`,
      ...rest,
    }, taskMs);
    this.#streams.push(stream);
    return stream;
  }

  /** An actor that holds resources for ever. */
  actor(resources: Record<string, number>, jobId: JobId = "j-1" as JobId): ProcessId {
    const request = leaseRequest({
      kind: "actor",
      requestId: `actor-${++this.#order}`,
      submitter: "h" as ProcessId,
      classKey: "actor",
      resources: toUnits(resources),
      jobId,
    });
    const before = this.#workers;
    this.send({ type: "leaseRequested", request, origin: "head", missingBytes: 0 });
    return `w-${before + 1}` as ProcessId;
  }

  send(event: LocalSchedulerEvent): void {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    for (const effect of effects) this.#perform(effect);
  }

  after(ms: number, run: () => void): void {
    this.#later.push({ atMs: this.nowMs + ms, order: this.#order++, run });
  }

  /** All streams work for this long. */
  run(ms: number): void {
    for (const stream of this.#streams) stream.ask();
    const endMs = this.nowMs + ms;
    for (;;) {
      this.#later.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
      const next = this.#later[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#later.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    this.nowMs = endMs;
  }

  /** One timer, as in the agent. */
  #setTimer(atMs: number): void {
    if (atMs >= this.#timerMs) return;
    this.#timerMs = atMs;
    this.after(atMs - this.nowMs, () => {
      if (this.#timerMs !== atMs) return;
      this.#timerMs = Infinity;
      this.send({ type: "timer" });
    });
  }

  #perform(effect: LocalSchedulerEffect): void {
    switch (effect.type) {
      case "startWorker": {
        const workerId = `w-${++this.#workers}` as ProcessId;
        return this.send({ type: "workerReady", startId: effect.startId, workerId });
      }
      case "stopWorker": {
        const { workerId, cause } = effect;
        return this.after(1, () => this.send({ type: "workerExited", workerId, cause }));
      }
      case "grant":
        for (const stream of this.#streams) {
          if (stream.submitter !== effect.request.submitter) continue;
          if (stream.owns(effect.request.requestId)) {
            return stream.granted(effect.request.requestId, effect.leaseId);
          }
        }
        return;
      case "reclaimLease":
        for (const stream of this.#streams) stream.reclaim(effect.leaseId);
        return;
      case "setTimer":
        return this.#setTimer(effect.atMs);
      default:
        return;
    }
  }
}

const share = (stream: Stream, ...others: Stream[]): number =>
  stream.done / [stream, ...others].reduce((sum, { done }) => sum + done, 0);

describe("work without end in every class", () => {
  test.each([1, 2, 4])("two classes of one submitter get equal shares of %d CPUs", (cpus) => {
    const crowd = new Crowd({ CPU: cpus });
    const [first, second] = [crowd.stream({}), crowd.stream({})];
    crowd.run(5_000);
    assert(Math.abs(share(first, second) - 0.5) < 0.1, `${first.done} and ${second.done}`);
  });

  test("twenty classes on two CPUs all go on, none with less than half its share", () => {
    const crowd = new Crowd({ CPU: 2 });
    const streams = Array.from({ length: 20 }, () => crowd.stream({}));
    crowd.run(10_000);
    const total = streams.reduce((sum, { done }) => sum + done, 0);
    for (const { done } of streams) assert(done > total / 40, `${done} of ${total}`);
  });

  test("who comes late gets its share from those that have everything", () => {
    const crowd = new Crowd({ CPU: 4 });
    const first = crowd.stream({}, 5);
    crowd.run(1_000);
    assert.equal(first.held, 4);
    const late = crowd.stream({ submitter: "d-2" as ProcessId }, 5);
    crowd.run(200);
    assert.deepEqual([first.held, late.held], [2, 2]);
  });

  test("long tasks get no more CPUs than short ones", () => {
    const crowd = new Crowd({ CPU: 4 });
    const [short, long] = [crowd.stream({}, 1), crowd.stream({}, 100)];
    crowd.run(10_000);
    assert(long.done > 100 && long.done < 300, `${long.done} long ones`);
    assert(short.done > 10_000, `${short.done} short ones`);
  });

  test("two drivers share: one with ten classes does not keep out one with one", () => {
    const crowd = new Crowd({ CPU: 2 });
    const many = Array.from({ length: 10 }, () => crowd.stream({}));
    const one = crowd.stream({ submitter: "d-2" as ProcessId, jobId: "j-2" as JobId });
    crowd.run(10_000);
    assert(share(one, ...many) > 1 / 22, `${one.done} and ${many.map(({ done }) => done)}`);
  });

  test("another job's deeper work has no precedence", () => {
    const crowd = new Crowd({ CPU: 2 });
    const deep = crowd.stream({ depth: 3 });
    const root = crowd.stream({ submitter: "d-2" as ProcessId, jobId: "j-2" as JobId });
    crowd.run(5_000);
    assert(Math.abs(share(root, deep) - 0.5) < 0.1, `${root.done} and ${deep.done}`);
  });

  test("within a job deeper work goes first, but a class that has nothing gets something", () => {
    const crowd = new Crowd({ CPU: 1 });
    const [deep, root, other] = [crowd.stream({ depth: 1 }), crowd.stream({}), crowd.stream({})];
    crowd.run(10_000);
    assert(share(deep, root, other) > 0.9, `${deep.done} deeper ones first`);
    for (const { done } of [root, other]) assert(done >= 30, `${root.done} and ${other.done} roots in 10 s`);
  });

  test("a large class gets through between small ones, and they between it", () => {
    const crowd = new Crowd({ CPU: 4 });
    const [small, large] = [crowd.stream({}, 10), crowd.stream({ cpu: 4 }, 10)];
    crowd.run(30_000);
    assert(large.done >= 10, `${large.done} large ones in 30 s`);
    assert(small.done >= 1_000, `${small.done} small ones`);
  });

  test("classes that wait for what an actor holds for ever do not keep others from asking", () => {
    const crowd = new Crowd({ CPU: 1, GPU: 1 });
    crowd.actor({ GPU: 1 });
    for (let n = 0; n < 100; n++) crowd.stream({ resources: toUnits({ CPU: 1, GPU: 1 }) });
    const greedy = crowd.stream({});
    crowd.run(500);
    const late = crowd.stream({ submitter: "d-2" as ProcessId });
    crowd.run(5_000);
    assert(late.done > 500, `${late.done} beside ${greedy.done}`);
  });
});
