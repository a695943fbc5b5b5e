/**
 * Goal: calls to an actor leave in order, and a restart or death does with them what the actor queue's header says.
 * Method: effects are written down and compared whole; check() after every step.
 * @module
 */
import { describe, expect, test } from "bun:test";
import type { ActorState, ActorStatus, DeathCause } from "../../../runtime/common/task_spec.ts";
import {
  ActorQueue,
  type QueuedCall,
  WINDOW_BYTES,
  WINDOW_CALLS,
} from "../../../runtime/core/worker/actor_queue.ts";

const CAUSE: DeathCause = { code: "WORKER_DIED", message: "its worker process has died" };

function world(ordered = true) {
  const log: string[] = [];
  const queue = new ActorQueue<QueuedCall>({
    connect: (status) => log.push(`connect ${status.incarnation}`),
    push: (calls) => log.push(`push ${calls.map((call) => call.sequence).join(",")}`),
    fail: (call, kind) => log.push(`${kind} ${call.sequence}`),
    retried: (call) => log.push(`retried ${call.sequence}`),
    letGo: (call) => log.push(`let go ${call.sequence}`),
  }, { laneOf: ordered });
  const take = (): string[] => {
    queue.check();
    return log.splice(0);
  };
  const alive = (incarnation = 1): void => {
    queue.updated(status("ALIVE", incarnation));
    queue.connected(incarnation);
    queue.pump();
  };
  return { queue, take, alive };
}

function status(state: ActorState, incarnation: number): ActorStatus {
  return {
    actorId: "a-1" as never,
    state,
    incarnation,
    nodeId: "n-1" as never,
    workerId: `w-${incarnation}` as never,
    socketPath: "",
    pid: 1,
    restartsLeft: 1,
    deathCause: state === "DEAD" || state === "RESTARTING" ? CAUSE : null,
  };
}

function call(sequence: number, retriesLeft = 0, ready = true, bytes = 10): QueuedCall {
  return { sequence, retriesLeft, ready, bytes, cancelled: false };
}

describe("actor queue", () => {
  test("calls wait for the actor, then leave together and in order", () => {
    const { queue, take, alive } = world();
    for (const sequence of [1, 2, 3]) queue.submit(call(sequence));
    queue.pump();
    expect(take()).toEqual([]);
    alive();
    expect(take()).toEqual(["connect 1", "push 1,2,3"]);
    expect(queue.completed(1)?.sequence).toBe(1);
    expect(queue.completed(1)).toBeUndefined();
    expect(queue.pending).toBe(2);
  });

  test("an unready call holds back those behind it, unless calls may interleave", () => {
    const ordered = world();
    const free = world(false);
    for (const { queue, alive } of [ordered, free]) {
      queue.submit(call(1, 0, false));
      queue.submit(call(2));
      alive();
    }
    expect(ordered.take()).toEqual(["connect 1"]);
    expect(free.take()).toEqual(["connect 1", "push 2"]);
  });

  test("a restart fails calls without retries as unavailable and repeats the others in order", () => {
    const { queue, take, alive } = world();
    queue.submit(call(1, -1));
    queue.submit(call(2, 0));
    queue.submit(call(3, 1));
    alive();
    queue.submit(call(4));
    take();
    queue.disconnected(1);
    queue.pump();
    expect(take()).toEqual([]); // Whether it restarts or is dead is the GCS's word.
    queue.updated(status("RESTARTING", 1));
    expect(take()).toEqual(["retried 3", "retried 1", "unavailable 2"]);
    alive(2);
    expect(take()).toEqual(["connect 2", "push 1,3,4"]);
  });

  test("news of the next incarnation settles what was in flight to the one before", () => {
    const { queue, take, alive } = world();
    queue.submit(call(1));
    alive();
    take();
    alive(2);
    expect(take()).toEqual(["unavailable 1", "connect 2"]);
  });

  test("death fails everything, later calls too; later news is ignored", () => {
    const { queue, take, alive } = world();
    queue.submit(call(1, 5));
    alive();
    queue.submit(call(2, 0, false));
    take();
    queue.updated(status("DEAD", 1));
    expect(take()).toEqual(["died 1", "died 2"]);
    queue.submit(call(3));
    expect(take()).toEqual(["died 3"]);
    alive(2);
    expect(take()).toEqual([]);
  });

  test("a broken link to a living incarnation is opened again", () => {
    const { queue, take, alive } = world();
    alive();
    take();
    queue.disconnected(1);
    queue.updated(status("ALIVE", 1));
    expect(take()).toEqual(["connect 1"]);
  });

  test("a new connection to the same incarnation settles what was in flight on the broken one", () => {
    const { queue, take, alive } = world();
    queue.submit(call(1));
    queue.submit(call(2, 1));
    queue.submit(call(3, 1));
    alive();
    take();
    queue.disconnected(1);
    queue.updated(status("ALIVE", 1));
    // The worker may still prove dead: the calls wait for that word, which decides their error.
    expect(take()).toEqual(["connect 1"]);
    queue.connected(1);
    queue.pump();
    expect(take()).toEqual(["retried 3", "retried 2", "unavailable 1", "push 2,3"]);
  });

  test("a burst beyond the window waits here, and goes on as answers come", () => {
    for (const ordered of [true, false]) {
      const { queue, take, alive } = world(ordered);
      for (let sequence = 1; sequence <= WINDOW_CALLS + 2; sequence++) queue.submit(call(sequence));
      alive();
      expect(queue.inFlight.size).toBe(WINDOW_CALLS);
      take();
      queue.completed(5);
      queue.pump();
      expect(take()).toEqual([`push ${WINDOW_CALLS + 1}`]);
    }
  });

  test("large arguments count by their bytes; one call may always go", () => {
    const { queue, take, alive } = world();
    queue.submit(call(1, 0, true, 2 * WINDOW_BYTES));
    queue.submit(call(2));
    alive();
    expect(take()).toEqual(["connect 1", "push 1"]);
    queue.completed(1);
    queue.pump();
    expect(take()).toEqual(["push 2"]);
  });

  test("old news is ignored", () => {
    const { queue, take, alive } = world();
    alive(2);
    take();
    queue.updated(status("RESTARTING", 1));
    queue.submit(call(1));
    queue.pump();
    expect(take()).toEqual(["push 1"]);
  });

  test("a call that is retried after its exception goes before those that wait", () => {
    const { queue, take, alive } = world();
    queue.submit(call(1, 1));
    alive();
    const first = queue.completed(1)!;
    queue.submit(call(2));
    queue.requeue(first);
    queue.pump();
    expect(take()).toEqual(["connect 1", "push 1", "retried 1", "push 1,2"]);
  });

  test("answered calls that are kept go back in front of those in flight when it restarts, in order", () => {
    const { queue, take, alive } = world();
    for (const sequence of [1, 2, 3, 4]) queue.submit(call(sequence, 2));
    alive();
    for (const sequence of [1, 2, 3]) queue.keep(queue.completed(sequence)!);
    queue.covered(1);
    take();
    queue.submit(call(5, 2));
    queue.updated(status("RESTARTING", 2));
    alive(2);
    expect(take()).toEqual(["retried 4", "retried 3", "retried 2", "connect 2", "push 2,3,4,5"]);
    expect(queue.pending).toBe(4);
    // Again, after the first of them was answered again.
    queue.keep(queue.completed(2)!);
    queue.updated(status("ALIVE", 3));
    queue.connected(3);
    queue.pump();
    expect(take()).toEqual(
      ["retried 5", "retried 4", "retried 3", "retried 2", "connect 3", "push 2,3,4,5"],
    );
  });

  test("after a restart a call whose exception is retried is again before those that came after it", () => {
    const { queue, take, alive } = world();
    for (const sequence of [1, 2, 3]) queue.submit(call(sequence, 2));
    alive();
    queue.requeue(queue.completed(1)!);
    take();
    queue.updated(status("RESTARTING", 2));
    alive(2);
    expect(take().at(-1)).toBe("push 1,2,3");
  });

  test("kept calls are let go when they are covered, cannot be retried, or nobody cares; a mere reconnect keeps them", () => {
    const { queue, take, alive } = world();
    for (const sequence of [1, 2, 3, 4]) queue.submit(call(sequence, sequence % 2));
    alive();
    for (const sequence of [1, 2, 3, 4]) queue.keep(queue.completed(sequence)!);
    queue.disconnected(1);
    queue.updated(status("ALIVE", 1));
    queue.connected(1);
    queue.covered(1);
    expect(take()).toEqual(["connect 1", "push 1,2,3,4", "connect 1", "let go 1"]);
    queue.updated(status("RESTARTING", 2));
    alive(2);
    expect(take()).toEqual(["let go 2", "let go 4", "retried 3", "connect 2", "push 3"]);
    queue.keep(queue.completed(3)!);
    queue.dropKept();
    queue.submit(call(5));
    queue.pump();
    queue.keep(queue.completed(5)!);
    queue.updated(status("DEAD", 2));
    expect(take()).toEqual(["let go 3", "push 5", "let go 5"]);
  });

  test("with lanes an unready call holds back those of its lane, and no others", () => {
    type Laned = QueuedCall & { readonly lane: string | null };
    const log: string[] = [];
    const queue = new ActorQueue<Laned>({
      connect: () => undefined,
      push: (calls) => log.push(calls.map((call) => call.sequence).join(",")),
      fail: () => undefined,
      retried: () => undefined,
      letGo: () => undefined,
    }, { laneOf: ({ lane }) => lane });
    const first: Laned = { ...call(1, 0, false), lane: "a" };
    const loose: Laned = { ...call(4, 0, false), lane: null };
    for (const each of [first, { ...call(2), lane: "a" }, { ...call(3), lane: "b" }, loose]) {
      queue.submit(each);
    }
    queue.submit({ ...call(5), lane: null });
    queue.updated(status("ALIVE", 1));
    queue.connected(1);
    queue.pump();
    expect(log.splice(0)).toEqual(["3,5"]);
    expect(queue.find(2)?.holdsBack).toBe(first);
    loose.ready = true;
    queue.pump();
    expect(log.splice(0)).toEqual(["4"]);
    first.ready = true;
    queue.pump();
    expect(log.splice(0)).toEqual(["1,2"]);
    queue.check();
  });
});
