/** Goal: a drained node leaves when it is idle or late, never before its workers and objects are cared for. */
import { expect, test } from "bun:test";
import { DRAIN_ASK_AGAIN_MS, NodeDrainMachine } from "../../../runtime/core/scheduler/node_drain.ts";

const ordered = (remainingMs: number) => ({ type: "ordered", remainingMs, reason: "repair" }) as const;
const looked = (busy: boolean) => ({ type: "looked", busy }) as const;

test("an idle node ends its workers, gives its objects away, and leaves with the reason", () => {
  const machine = new NodeDrainMachine();
  expect(machine.step(0, looked(false))).toBeNull();
  expect(machine.isDraining).toBe(false);
  expect(machine.step(0, ordered(10_000))).toEqual({ type: "refuseWork" });
  expect(machine.isDraining).toBe(true);
  expect(machine.step(1, { type: "offloaded" })).toBeNull();
  expect(machine.step(1, looked(false))).toEqual({ type: "endWorkers", reason: "repair" });
  expect(machine.step(2, looked(false))).toBeNull();
  expect(machine.step(3, { type: "workersEnded" })).toEqual({ type: "offload" });
  expect(machine.step(3, { type: "workersEnded" })).toBeNull();
  expect(machine.step(4, { type: "offloaded" })).toEqual({ type: "leave", reason: "repair" });
  expect(machine.step(5, ordered(10_000))).toBeNull();
});

test("a busy one works on to its deadline, which a repeated order sets anew; leases are asked for again", () => {
  const machine = new NodeDrainMachine();
  machine.step(0, ordered(5_000));
  expect(machine.step(DRAIN_ASK_AGAIN_MS - 1, looked(true))).toBeNull();
  expect(machine.step(DRAIN_ASK_AGAIN_MS, looked(true))).toEqual({ type: "refuseWork" });
  expect(machine.step(4_000, ordered(2_000))).toEqual({ type: "refuseWork" });
  expect(machine.step(4_999, looked(true))).toBeNull();
  expect(machine.step(5_999, looked(true))?.type).toBe("refuseWork");
  expect(machine.step(6_000, looked(true))?.type).toBe("endWorkers");
});
