/** Goal: low memory ends the work whose end costs least, one worker at a time. */
import { describe, expect, test } from "bun:test";
import type { ProcessId } from "../../../runtime/common/ids.ts";
import { type MemoryCandidate, MemoryMonitor } from "../../../runtime/core/scheduler/memory_monitor.ts";

function work(
  workerId: string,
  sinceMs: number,
  { owner = "d-1", retriable = true }: { owner?: string; retriable?: boolean } = {},
): MemoryCandidate {
  return { workerId: workerId as ProcessId, owner: owner as ProcessId, retriable, sinceMs };
}

/** The order in which all are ended, each when the last one is gone. */
function order(candidates: readonly MemoryCandidate[]): string[] {
  const monitor = new MemoryMonitor({ threshold: 0.5, minFreeBytes: null });
  let left = [...candidates];
  const ended: string[] = [];
  for (;;) {
    const kill = monitor.step({ type: "read", usedBytes: 60, totalBytes: 100, candidates: left });
    if (kill === null) return ended;
    ended.push(kill.workerId);
    left = left.filter(({ workerId }) => workerId !== kill.workerId);
    monitor.step({ type: "workerExited", workerId: kill.workerId });
  }
}

describe("memory monitor", () => {
  test("OOM-04 retriable work goes first, then the newest", () => {
    expect(order([work("w-1", 1), work("w-2", 2), work("w-3", 3)])).toEqual(["w-3", "w-2", "w-1"]);
    expect(order([
      work("w-1", 1),
      work("w-2", 2, { retriable: false }),
      work("w-3", 3),
      work("w-4", 4, { retriable: false }),
    ])).toEqual(["w-3", "w-1", "w-4", "w-2"]);
  });

  test("each caller keeps one task going as long as another one has more", () => {
    expect(order([
      work("w-1", 1, { owner: "d-1" }),
      work("w-2", 2, { owner: "d-1" }),
      work("w-3", 3, { owner: "d-1" }),
      work("w-4", 4, { owner: "d-2" }),
    ])).toEqual(["w-3", "w-2", "w-4", "w-1"]);
    // Work that may not be run again is nobody's spare.
    expect(order([
      work("w-1", 1, { owner: "d-1", retriable: false }),
      work("w-2", 2, { owner: "d-1", retriable: false }),
      work("w-3", 0, { owner: "d-2" }),
    ])).toEqual(["w-3", "w-2", "w-1"]);
  });

  test("one at a time: nobody else is ended before the last one is gone", () => {
    const monitor = new MemoryMonitor({ threshold: 0.5, minFreeBytes: null });
    const candidates = [work("w-1", 1), work("w-2", 2)];
    const read = { type: "read", usedBytes: 60, totalBytes: 100 } as const;
    expect(monitor.step({ ...read, candidates })?.workerId).toBe("w-2" as ProcessId);
    expect(monitor.step({ ...read, candidates: [candidates[0]!] })).toBeNull();
    monitor.step({ type: "workerExited", workerId: "w-9" as ProcessId });
    expect(monitor.step({ ...read, candidates })).toBeNull();
    monitor.step({ type: "workerExited", workerId: "w-2" as ProcessId });
    expect(monitor.step({ ...read, usedBytes: 50, candidates })).toBeNull();
    expect(monitor.step({ ...read, candidates: [] })).toBeNull();
    expect(monitor.step({ ...read, candidates: [candidates[0]!] })?.workerId).toBe("w-1" as ProcessId);
    expect(monitor.kills).toBe(2);
  });

  test("the threshold is a share of all memory, unless so much must be free that it lies higher", () => {
    const of = (minFreeBytes: number | null): number =>
      new MemoryMonitor({ threshold: 0.95, minFreeBytes }).thresholdOf(1_000);
    expect(of(null)).toBe(950);
    expect(of(10)).toBe(990);
    expect(of(100)).toBe(950);
  });
});
