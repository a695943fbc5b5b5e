/**
 * Goal: what is cancelled is taken out where it waits, and asked for until it is gone where it runs.
 * Method: effects are written down and compared whole; check() after every step.
 */
import { describe, expect, test } from "bun:test";
import {
  ASK_AGAIN_MS,
  Cancellations,
  type CancelRequest,
  type CancelTarget,
} from "../../../runtime/core/worker/cancellation.ts";

interface Target extends CancelTarget {
  readonly name: string;
  isAway: boolean;
  ended: boolean;
}

const PLAIN: CancelRequest = { force: false, recursive: true, graceMs: null };

function world() {
  const log: string[] = [];
  const machine = new Cancellations<Target>({
    withdraw: (target) => {
      if (target.isAway) return false;
      log.push(`withdraw ${target.name}`);
      target.ended = true;
      return true;
    },
    ask: ({ name }, { force, recursive }) =>
      log.push(`ask ${name}${force ? " force" : ""}${recursive ? "" : " alone"}`),
  });
  const take = (): string[] => {
    machine.check();
    return log.splice(0);
  };
  return { machine, take };
}

function target(name: string, isAway: boolean): Target {
  return { name, isAway, ended: false, cancelled: false };
}

describe("cancellation", () => {
  test("what has not left is withdrawn, what has ended stays as it is", () => {
    const { machine, take } = world();
    const here = target("here", false);
    machine.request(0, here, PLAIN);
    machine.request(0, here, PLAIN);
    expect(take()).toEqual(["withdraw here"]);
    expect(here.cancelled).toBe(true);
    const done = { ...target("done", true), ended: true };
    machine.request(0, done, { ...PLAIN, force: true });
    expect(take()).toEqual([]);
    expect(done.cancelled).toBe(false);
    expect(machine.tick(0)).toBeNull();
  });

  test("a worker is asked again until the target has ended", () => {
    const { machine, take } = world();
    const away = target("away", true);
    machine.request(0, away, { ...PLAIN, recursive: false });
    expect(take()).toEqual(["ask away alone"]);
    expect(machine.tick(0)).toBe(ASK_AGAIN_MS);
    expect(machine.tick(ASK_AGAIN_MS - 1)).toBe(ASK_AGAIN_MS);
    expect(take()).toEqual([]);
    expect(machine.tick(ASK_AGAIN_MS)).toBe(2 * ASK_AGAIN_MS);
    expect(take()).toEqual(["ask away alone"]);
    away.ended = true;
    expect(machine.tick(2 * ASK_AGAIN_MS)).toBeNull();
    expect(take()).toEqual([]);
    expect(machine.size).toBe(0);
  });

  test("force follows after the grace, once, and is never taken back", () => {
    const { machine, take } = world();
    const away = target("away", true);
    machine.request(0, away, { ...PLAIN, graceMs: 300 });
    expect(take()).toEqual(["ask away"]);
    expect(machine.tick(0)).toBe(300);
    expect(machine.tick(299)).toBe(300);
    expect(take()).toEqual([]);
    machine.tick(300);
    expect(take()).toEqual(["ask away force"]);
    machine.tick(301);
    expect(take()).toEqual([]);
    machine.request(400, away, PLAIN);
    expect(take()).toEqual(["ask away force"]);
  });

  test("the earliest grace counts, and a target that came back is withdrawn by the next request", () => {
    const { machine, take } = world();
    const away = target("away", true);
    machine.request(0, away, { ...PLAIN, graceMs: 500 });
    machine.request(0, away, { ...PLAIN, graceMs: 900 });
    expect(machine.tick(0)).toBe(500);
    take();
    away.isAway = false;
    machine.request(10, away, PLAIN);
    expect(take()).toEqual(["withdraw away"]);
    expect(machine.tick(500)).toBeNull();
  });
});
