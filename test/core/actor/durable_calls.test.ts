/**
 * Goal: callers with retries and a durable actor together lose no call's effect and double none, whatever is lost between them.
 * Method: real actor queues and the real account of applied calls, with channels that crashes and broken connections cut off
 * anywhere; when all is quiet, the actor's state is compared with what was asked for.
 */
import { expect, test } from "bun:test";
import type { ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import type { ActorStatus } from "../../../runtime/common/task_spec.ts";
import { AppliedCalls, type AppliedRecord } from "../../../runtime/core/actor/applied_calls.ts";
import { ActorQueue, type QueuedCall } from "../../../runtime/core/worker/actor_queue.ts";

interface Call extends QueuedCall {
  isAnswered: boolean;
  /** So often it throws before it succeeds. */
  readonly throws: number;
}

type Word =
  | { readonly type: "reply"; readonly sequence: number; readonly status: "value" | "threw" | "lost" }
  | { readonly type: "covered"; readonly through: number };

function status(incarnation: number, state: ActorStatus["state"] = "ALIVE"): ActorStatus {
  const nothing = { nodeId: null, workerId: null, socketPath: null, pid: null, restartsLeft: -1 };
  return { actorId: "a-1" as never, state, incarnation, ...nothing, deathCause: null };
}

/** One caller, and what is on its way to and from the actor. */
class SimCaller {
  readonly id: ProcessId;
  readonly outcomes = new Map<number, Word["type"] | "value" | "threw" | "lost">();
  readonly queue: ActorQueue<Call>;
  next = 1;
  isConnecting = false;
  incarnation = 0;
  toActor: Call[] = [];
  fromActor: Word[] = [];

  constructor(id: string) {
    this.id = id as ProcessId;
    this.queue = new ActorQueue<Call>({
      connect: ({ incarnation }) => {
        this.cut();
        this.incarnation = incarnation;
        this.isConnecting = true;
      },
      push: (calls) => this.toActor.push(...calls),
      fail: () => {
        throw new Error("with endless retries nothing fails");
      },
      retried: () => undefined,
      letGo: () => undefined,
    }, { laneOf: true });
  }

  cut(): void {
    this.toActor = [];
    this.fromActor = [];
  }

  submit(throws: number): void {
    const sequence = this.next++;
    this.queue.submit({
      sequence,
      throws,
      retriesLeft: -1,
      ready: true,
      bytes: 1,
      cancelled: false,
      isAnswered: false,
    });
    this.queue.pump();
  }

  hear(word: Word): void {
    if (word.type === "covered") this.queue.covered(word.through);
    else {
      const call = this.queue.completed(word.sequence)!;
      if (word.status === "threw") this.queue.requeue(call);
      else {
        if (!call.isAnswered) this.outcomes.set(word.sequence, word.status);
        call.isAnswered = true;
        if (word.status === "value") this.queue.keep(call);
      }
    }
    this.queue.pump();
    this.queue.check();
  }
}

class SimActor {
  readonly every: number;
  incarnation = 1;
  state: string[] = [];
  /** How often each call threw; a part of the state. */
  thrown = new Map<string, number>();
  calls: AppliedCalls;
  checkpoint: { state: string[]; thrown: Map<string, number>; record: AppliedRecord };

  constructor(every: number) {
    this.every = every;
    this.calls = new AppliedCalls(every);
    this.checkpoint = { state: [], thrown: new Map(), record: this.calls.record() };
  }

  crash(): void {
    this.incarnation++;
    this.state = [...this.checkpoint.state];
    this.thrown = new Map(this.checkpoint.thrown);
    this.calls = new AppliedCalls(this.every, structuredClone(this.checkpoint.record));
  }

  run(caller: SimCaller, callers: readonly SimCaller[]): void {
    const call = caller.toActor.shift()!;
    const { sequence } = call;
    const known = this.calls.find(caller.id, sequence);
    const say = (status: "value" | "threw" | "lost") =>
      caller.fromActor.push({ type: "reply", sequence, status });
    if (known !== null) return void say(known.reply === null && !call.isAnswered ? "lost" : "value");
    const key = `${caller.id} ${sequence}`;
    const thrown = this.thrown.get(key) ?? 0;
    const isFailing = thrown < call.throws;
    if (isFailing) {
      this.thrown.set(key, thrown + 1);
      this.calls.failed(caller.id, sequence);
    } else {
      this.state.push(key);
      this.calls.returned(caller.id, sequence, new Uint8Array(1));
    }
    if (!this.calls.isDue) return void say(isFailing ? "threw" : "value");
    const record = structuredClone(this.calls.record());
    this.checkpoint = { state: [...this.state], thrown: new Map(this.thrown), record };
    const covered = this.calls.saved();
    say(isFailing ? "threw" : "value");
    for (const [id, through] of covered) {
      callers.find((one) => one.id === id)!.fromActor.push({ type: "covered", through });
    }
    this.calls.check();
  }
}

/** What goes on: one step of something. */
function step(prng: Prng, actor: SimActor, callers: readonly SimCaller[], isCalm: boolean): void {
  const caller = prng.pick(callers);
  const { queue } = caller;
  if (!isCalm && prng.chance(2)) {
    actor.crash();
    for (const one of callers) {
      one.cut();
      one.queue.disconnected(one.incarnation);
    }
  } else if (!isCalm && prng.chance(3)) {
    // The connection breaks: the actor has read part of what was on its way.
    caller.cut();
    queue.disconnected(caller.incarnation);
  }
  if (queue.status?.incarnation !== actor.incarnation && prng.chance(50)) {
    if (prng.chance(50)) queue.updated(status(actor.incarnation, "RESTARTING"));
    else queue.updated(status(actor.incarnation));
  } else if (prng.chance(20)) queue.updated(status(actor.incarnation));
  if (caller.isConnecting && caller.incarnation === actor.incarnation && prng.chance(50)) {
    caller.isConnecting = false;
    queue.connected(caller.incarnation);
    queue.pump();
  }
  if (!isCalm && prng.chance(30)) caller.submit(prng.chance(10) ? 1 + prng.below(2) : 0);
  const isConnected = !caller.isConnecting && caller.incarnation === actor.incarnation;
  if (isConnected && caller.toActor.length > 0 && prng.chance(60)) actor.run(caller, callers);
  if (caller.fromActor.length > 0 && prng.chance(60)) caller.hear(caller.fromActor.shift()!);
}

test("every call that returned is in the state once, in its caller's order but for what threw first", () => {
  let lost = 0;
  let answered = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const prng = new Prng(seed);
    const actor = new SimActor(1 + prng.below(6));
    const callers = ["d-a", "d-b", "d-c"].map((id) => new SimCaller(id));
    for (const { queue } of callers) queue.updated(status(1));
    for (let i = 0; i < 600; i++) step(prng, actor, callers, false);
    // A last crash, then calm: what was answered and not saved comes again.
    if (prng.chance(50)) {
      actor.crash();
      for (const one of callers) {
        one.cut();
        one.queue.disconnected(one.incarnation);
      }
    }
    for (let i = 0; i < 200_000; i++) {
      step(prng, actor, callers, true);
      const isQuiet = callers.every(({ queue, fromActor }) =>
        queue.pending === 0 && fromActor.length === 0 && queue.status?.incarnation === actor.incarnation
      );
      if (isQuiet) break;
    }
    for (const { id, next, outcomes, queue } of callers) {
      expect(queue.pending, `seed ${seed}`).toBe(0);
      const own = actor.state.filter((item) => item.startsWith(id)).map((item) => Number(item.split(" ")[1]));
      expect(own.toSorted((a, b) => a - b), `seed ${seed}`).toEqual(
        Array.from({ length: next - 1 }, (_, i) => i + 1),
      );
      expect([...outcomes.keys()].toSorted((a, b) => a - b), `seed ${seed}`).toEqual(
        own.toSorted((a, b) => a - b),
      );
      for (const outcome of outcomes.values()) {
        if (outcome === "lost") lost++;
        else answered++;
      }
    }
  }
  // Answers are lost with a connection only: the state is not.
  expect(answered).toBeGreaterThan(20 * lost);
});
