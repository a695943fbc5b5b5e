/** The submission manager: a job's states, orders that are given again, reports that come twice, and bounds. */
import { expect, test } from "bun:test";
import type { JobId, NodeId } from "../../../runtime/common/ids.ts";
import { checkSubmission, type SubmissionSpec } from "../../../runtime/common/submission.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import {
  ENDED_SUBMISSIONS_KEPT,
  type SubmissionEffect,
  type SubmissionEvent,
  SubmissionManager,
  type SubmissionNode,
  type SubmissionRecord,
} from "../../../runtime/core/gcs/submission_manager.ts";

const HEAD: SubmissionNode = { nodeId: "n-head" as NodeId, epoch: 1, isHeadNode: true };
const OTHER: SubmissionNode = { nodeId: "n-other" as NodeId, epoch: 1, isHeadNode: false };
const ENDED = { exitCode: 0, signal: null, message: "", endedMs: 50 };

function spec(submissionId: string, more: Partial<SubmissionSpec> = {}): SubmissionSpec {
  return { ...checkSubmission({ program: "app.ts", env: { SECRET: "x" } }, submissionId), ...more };
}

class World {
  readonly manager: SubmissionManager;
  constructor(restored: readonly SubmissionRecord[] = []) {
    this.manager = new SubmissionManager(restored);
  }
  step(event: SubmissionEvent, nowMs: number = 10): readonly SubmissionEffect[] {
    const effects = this.manager.step(nowMs, event);
    this.manager.check();
    return effects;
  }
  state(id: string): string {
    const record = this.manager.record(id)!;
    return `${record.state} ${record.message}`.trim();
  }
}

const orders = (effects: readonly SubmissionEffect[]) =>
  effects.flatMap((one) => one.type === "start" || one.type === "end" ? [`${one.type} ${one.nodeId}`] : []);
const started = (submissionId: string, node: SubmissionNode = HEAD): SubmissionEvent => ({
  type: "started",
  submissionId,
  nodeId: node.nodeId,
  epoch: node.epoch,
  pid: 7,
});
const ended = (submissionId: string, outcome = ENDED): SubmissionEvent => ({
  type: "ended",
  submissionId,
  nodeId: HEAD.nodeId,
  outcome,
});

test("a job goes to the head's node, runs, and ends as its program does", () => {
  const world = new World();
  expect(orders(world.step({ type: "submit", spec: spec("a"), nodes: [OTHER, HEAD] }))).toEqual([
    "start n-head",
  ]);
  expect(world.state("a")).toBe("PENDING");
  world.step(started("a"), 20);
  world.step({ type: "driverJoined", nodeId: HEAD.nodeId, pid: 8, jobId: "j-no" as JobId });
  world.step({ type: "driverJoined", nodeId: HEAD.nodeId, pid: 7, jobId: "j-1" as JobId });
  world.step({ type: "driverJoined", nodeId: HEAD.nodeId, pid: 7, jobId: "j-2" as JobId });
  expect(world.manager.record("a")).toMatchObject({ state: "RUNNING", pid: 7, startedMs: 20, jobId: "j-1" });
  world.step(ended("a"));
  expect(world.manager.record("a")).toMatchObject({ state: "SUCCEEDED", exitCode: 0, endedMs: 50 });
  world.step(ended("a", { ...ENDED, exitCode: 1 }));
  expect(world.state("a")).toBe("SUCCEEDED");
});

test("its variables are not kept once it runs, or has ended without", () => {
  const world = new World();
  world.step({ type: "submit", spec: spec("a"), nodes: [HEAD] });
  expect(world.manager.record("a")!.spec.env).toEqual({ SECRET: "x" });
  world.step(started("a"));
  expect(world.manager.record("a")!.spec.env).toEqual({});
  world.step({ type: "submit", spec: spec("b"), nodes: [] });
  world.step({ type: "stop", submissionId: "b" });
  expect(world.manager.record("b")!.spec.env).toEqual({});
});

test("an id is taken for as long as it is remembered", () => {
  const world = new World();
  world.step({ type: "submit", spec: spec("a"), nodes: [HEAD] });
  expect(world.step({ type: "submit", spec: spec("a"), nodes: [HEAD] })).toEqual([
    { type: "refused", reason: expect.stringContaining("a exists already"), code: "EXISTS" },
  ]);
  for (let i = 0; i < ENDED_SUBMISSIONS_KEPT; i++) {
    world.step({ type: "submit", spec: spec(`s${i}`), nodes: [] });
    world.step({ type: "stop", submissionId: `s${i}` });
  }
  const free = (id: string) => world.manager.record(id) === null;
  expect([free("a"), free("s0"), free("s999")]).toEqual([false, false, false]);
  world.step(started("a"));
  expect(world.step(ended("a"))).toContainEqual({ type: "forget", submissionId: "s0" });
  expect(orders(world.step({ type: "submit", spec: spec("s0"), nodes: [HEAD] }))).toEqual(["start n-head"]);
});

test("one that waits for a node goes to it when it comes, and can be stopped before", () => {
  const world = new World();
  world.step({ type: "submit", spec: spec("a", { nodeId: OTHER.nodeId }), nodes: [HEAD] });
  world.step({ type: "submit", spec: spec("b", { nodeId: OTHER.nodeId }), nodes: [HEAD] });
  expect(world.state("a")).toBe("PENDING it waits for node n-other");
  expect(orders(world.step({ type: "stop", submissionId: "b" }))).toEqual([]);
  expect(world.state("b")).toBe("STOPPED it was stopped by request");
  expect(orders(world.step({ type: "nodeConnected", node: HEAD }))).toEqual([]);
  expect(orders(world.step({ type: "nodeConnected", node: OTHER }))).toEqual(["start n-other"]);
});

test("orders are given again when the node connects again", () => {
  const world = new World();
  world.step({ type: "submit", spec: spec("a"), nodes: [HEAD] });
  expect(orders(world.step({ type: "nodeConnected", node: HEAD }))).toEqual(["start n-head"]);
  world.step(started("a"));
  expect(orders(world.step({ type: "nodeConnected", node: HEAD }))).toEqual([]);
  expect(orders(world.step({ type: "stop", submissionId: "a" }))).toEqual(["end n-head"]);
  expect(orders(world.step({ type: "nodeConnected", node: HEAD }))).toEqual(["end n-head"]);
  world.step(ended("a", { ...ENDED, exitCode: null as never, message: "ended by SIGTERM" }));
  expect(world.state("a")).toBe("STOPPED it was stopped by request");
  expect(orders(world.step({ type: "stop", submissionId: "a" }))).toEqual([]);
});

test("what runs on a node that dies, or whose agent is another one now, has failed", () => {
  const world = new World();
  world.step({ type: "submit", spec: spec("a"), nodes: [HEAD] });
  world.step({ type: "submit", spec: spec("b"), nodes: [HEAD] });
  world.step(started("a"));
  world.step(started("b"));
  world.step({ type: "nodeDied", nodeId: OTHER.nodeId, reason: "x" });
  expect(world.state("a")).toBe("RUNNING");
  world.step({ type: "nodeConnected", node: { ...HEAD, epoch: 2 } });
  expect(world.state("a")).toBe("FAILED the agent of its node n-head died, and the program with it");
  expect(world.manager.record("a")).toMatchObject({ exitCode: null, signal: null });
  world.step({ type: "submit", spec: spec("c"), nodes: [HEAD] });
  world.step({ type: "nodeDied", nodeId: HEAD.nodeId, reason: "silent" });
  expect(world.state("c")).toBe("FAILED its node n-head died: silent");
  world.step(ended("c"));
  expect(world.state("c")).toStartWith("FAILED");
});

test("random events, in any order and twice, keep what must hold; a restored manager is the same", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const pick = <T>(list: readonly T[]): T => prng.pick(list);
    let world = new World();
    for (let i = 0; i < 60; i++) {
      const id = pick(["a", "b", "c", "d"]);
      const node = pick([HEAD, OTHER, { ...HEAD, epoch: 2 }]);
      world.step(
        pick<SubmissionEvent>([
          {
            type: "submit",
            spec: spec(id, { nodeId: pick([null, OTHER.nodeId]) }),
            nodes: pick([[], [node]]),
          },
          { type: "stop", submissionId: id },
          { type: "nodeConnected", node },
          { type: "nodeDied", nodeId: node.nodeId, reason: "r" },
          started(id, node),
          { type: "driverJoined", nodeId: node.nodeId, pid: 7, jobId: "j-1" as JobId },
          {
            type: "ended",
            submissionId: id,
            nodeId: node.nodeId,
            outcome: { ...ENDED, exitCode: pick([0, 1]) },
          },
        ]),
        i,
      );
      if (!prng.chance(10)) continue;
      const before = JSON.stringify(world.manager.records().sort((x, y) => x.submittedMs - y.submittedMs));
      world = new World(JSON.parse(JSON.stringify(world.manager.records())) as SubmissionRecord[]);
      world.manager.check();
      expect(JSON.stringify(world.manager.records().sort((x, y) => x.submittedMs - y.submittedMs))).toBe(
        before,
      );
    }
  }
});
