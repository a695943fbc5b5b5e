/** The object directory, event by event, and random lives of objects compared with a plain model. */
import { describe, expect, test } from "bun:test";
import type { NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import type { DirectoryEffect, DirectoryEvent } from "../../../runtime/core/object/directory_events.ts";
import {
  FREED_KEPT,
  ObjectDirectory,
  REPORT_GRACE_MS,
} from "../../../runtime/core/object/object_directory.ts";
import { OWNER_GRACE_MS } from "../../../runtime/core/object/owner_deaths.ts";
import { N1, N2, N3, O1, O2, object, typesOf } from "../gcs/fixtures.ts";

class Bench {
  machine: ObjectDirectory = new ObjectDirectory();
  nowMs: number = 1_000;

  step(event: DirectoryEvent): readonly DirectoryEffect[] {
    const effects = this.machine.step(this.nowMs, event);
    this.machine.check();
    return effects;
  }

  report(
    nodeId: NodeId,
    added: Parameters<typeof object>[0][],
    removed: ObjectId[] = [],
  ): readonly DirectoryEffect[] {
    return this.step({ type: "objectsReported", nodeId, added: added.map(object), removed });
  }

  locate(
    changes: Partial<Extract<DirectoryEvent, { type: "locateObject" }>> = {},
  ): readonly DirectoryEffect[] {
    const request = { requestId: "q", nodeId: N2, waitId: "x1", id: O1, home: N1, wait: true };
    return this.step({ type: "locateObject", ...request, ...changes });
  }

  after(ms: number): readonly DirectoryEffect[] {
    this.nowMs += ms;
    return this.step({ type: "tick" });
  }
}

const FOUND = {
  type: "located",
  requestId: "q",
  nodes: [N1],
  bytes: 100,
  isError: false,
  waited: false,
} as const;

describe("locations", () => {
  test("a report is persisted, and the primary copy comes first in answers", () => {
    const bench = new Bench();
    expect(bench.report(N2, [{ primary: false }])).toEqual([{
      type: "persistObjects",
      added: [{ nodeId: N2, object: object({ primary: false }) }],
      removed: [],
      ended: [],
    }]);
    bench.report(N1, [{}]);
    expect(bench.locate()).toEqual([{ ...FOUND, nodes: [N1, N2] }]);
  });

  test("a resent report changes nothing, an absolute one replaces what was known of the node", () => {
    const bench = new Bench();
    bench.report(N1, [{}, { id: O2 }]);
    bench.report(N1, [{}]);
    const effects = bench.step({ type: "nodeReported", nodeId: N1, objects: [object()] });
    expect(effects[0]).toMatchObject({ removed: [{ nodeId: N1, id: O2 }], ended: [O2] });
    expect([...bench.machine.entries()].map((entry) => entry.id)).toEqual([O1]);
  });

  test("without wait, an object that is not known is nowhere", () => {
    expect(new Bench().locate({ wait: false })).toEqual([{ ...FOUND, nodes: [], bytes: 0 }]);
  });

  test("a restarted head knows what the store held until the nodes report", () => {
    const bench = new Bench();
    bench.machine = new ObjectDirectory([{ nodeId: N1, object: object() }]);
    expect(bench.locate()).toEqual([FOUND]);
  });
});

describe("callbacks", () => {
  test("all that wait are answered when the first copy is reported", () => {
    const bench = new Bench();
    expect(bench.locate()).toEqual([]);
    expect(bench.locate({ nodeId: N3, requestId: "q2" })).toEqual([]);
    expect(bench.machine.waiterCount).toBe(2);
    expect(bench.report(N1, [{}]).slice(1)).toEqual([
      { ...FOUND, waited: true },
      { ...FOUND, requestId: "q2", waited: true },
    ]);
    expect(bench.machine.waiterCount).toBe(0);
  });

  test("a resent request replaces the first, a cancelled one is answered as such, a dead node's is dropped", () => {
    const bench = new Bench();
    const cancelled = {
      type: "locateFailed",
      code: "TaskCancelledError",
      message: "The request was cancelled",
    } as const;
    bench.locate();
    expect(bench.locate({ requestId: "q2" })).toEqual([{ ...cancelled, requestId: "q" }]);
    expect(bench.step({ type: "cancelLocate", nodeId: N2, waitId: "x1" })).toEqual([{
      ...cancelled,
      requestId: "q2",
    }]);
    expect(bench.step({ type: "cancelLocate", nodeId: N2, waitId: "x1" })).toEqual([]);
    bench.locate();
    bench.step({ type: "nodeDied", nodeId: N2, reason: "silent" });
    expect(bench.machine.waiterCount).toBe(0);
  });
});

describe("objects that are made again", () => {
  test("who was told that waits for the report, and not for that of a node that died", () => {
    const bench = new Bench();
    bench.report(N1, [{ home: N2 }]);
    bench.step({ type: "nodeDied", nodeId: N1, reason: "gone" });
    expect(bench.locate({ home: N2 })).toMatchObject([{ type: "locateFailed", code: "ObjectLostError" }]);
    expect(bench.locate({ home: N2, at: N3, remade: true })).toEqual([]);
    expect(bench.report(N3, [{ home: N2 }]).at(-1)).toMatchObject({ type: "located", nodes: [N3] });
    bench.step({ type: "nodeDied", nodeId: N3, reason: "gone" });
    bench.locate({ home: N2, at: N3, remade: true });
    expect(bench.after(OWNER_GRACE_MS)).toMatchObject([{ type: "locateFailed", code: "ObjectLostError" }]);
  });
});

describe("freed objects", () => {
  test("all holders delete it, waiters hear of it, and a copy that is reported late is deleted again", () => {
    const bench = new Bench();
    bench.report(N1, [{}]);
    bench.report(N2, [{ primary: false }]);
    bench.locate({ id: O2 });
    expect(bench.step({ type: "freeObjects", ids: [O1, O2] })).toEqual([
      {
        type: "persistObjects",
        added: [],
        removed: [{ nodeId: N1, id: O1 }, { nodeId: N2, id: O1 }],
        ended: [O1],
      },
      {
        type: "locateFailed",
        requestId: "q",
        code: "ObjectFreedError",
        message: `Cannot find object ${O2}: its last reference was released and it was deleted`,
      },
      { type: "deleteObjects", nodeId: N1, ids: [O1] },
      { type: "deleteObjects", nodeId: N2, ids: [O1] },
    ]);
    // The holders' own reports, and one that was on its way.
    expect(bench.report(N1, [], [O1])).toEqual([]);
    expect(bench.report(N3, [{ primary: false }])).toEqual([{
      type: "deleteObjects",
      nodeId: N3,
      ids: [O1],
    }]);
    expect(bench.locate()).toMatchObject([{ type: "locateFailed", code: "ObjectFreedError" }]);
  });

  test("the memory of freed ids is bounded", () => {
    const machine = new ObjectDirectory();
    const ids = Array.from({ length: FREED_KEPT + 1 }, (_, index) => `o-1-${index}.0` as ObjectId);
    machine.step(1, { type: "freeObjects", ids });
    machine.check();
    expect(
      typesOf(
        machine.step(2, {
          type: "objectsReported",
          nodeId: N1,
          added: [object({ id: ids[0]! })],
          removed: [],
        }),
      ),
    )
      .toEqual(["persistObjects"]);
    expect(
      typesOf(
        machine.step(2, {
          type: "objectsReported",
          nodeId: N1,
          added: [object({ id: ids[1]! })],
          removed: [],
        }),
      ),
    )
      .toEqual(["deleteObjects"]);
  });
});

describe("deaths", () => {
  test("an object whose last holder died is lost, with the reason, until it is made again", () => {
    const bench = new Bench();
    bench.report(N2, [{}]);
    bench.report(N1, [{ primary: false }]);
    expect(typesOf(bench.step({ type: "nodeDied", nodeId: N2, reason: "silent" }))).toEqual([
      "persistObjects",
    ]);
    expect(bench.machine.get(O1)).toMatchObject({ primary: null });
    const reason = "node n-1, which held its last copy, died: silent";
    const effects = bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    // Its home died too: there is no owner left to ask.
    const lost = { type: "objectLost", id: O1, home: N1, owner: object().owner, reason, dropped: false };
    expect(effects.at(-1)).toEqual(lost as typeof effects[number]);
    expect(bench.locate({ nodeId: N3 })).toMatchObject([{
      code: "ObjectLostError",
      message: `Cannot find object ${O1}: ${reason}`,
    }]);
    bench.report(N3, [{}]);
    expect(bench.locate({ nodeId: N3 })).toEqual([{ ...FOUND, nodes: [N3] }]);
  });

  test("what a dead owner announced may still come for a while, then its waiters are told", () => {
    const bench = new Bench();
    bench.locate();
    bench.step({ type: "ownerDied", owner: "d-1" as ProcessId, reason: "its owner d-1 crashed" });
    expect(bench.after(OWNER_GRACE_MS - 1)).toEqual([]);
    expect(bench.after(1)).toEqual([{
      type: "locateFailed",
      requestId: "q",
      code: "OwnerDiedError",
      message: `Cannot find object ${O1}: its owner d-1 crashed`,
    }]);
    // Later requests hear it at once; a copy that came after all is found.
    expect(bench.locate()).toMatchObject([{ code: "OwnerDiedError" }]);
    bench.report(N1, [{}]);
    expect(bench.locate()).toEqual([FOUND]);
  });

  test("what is made again for a dead owner is waited for where it was made", () => {
    const bench = new Bench();
    bench.report(N1, [{}]);
    bench.step({ type: "ownerDied", owner: "d-1" as ProcessId, reason: "its owner d-1 crashed" });
    bench.after(OWNER_GRACE_MS);
    bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(bench.locate({ nodeId: N3, at: N2, remade: true })).toEqual([]);
    expect(bench.after(REPORT_GRACE_MS - 1)).toEqual([]);
    expect(typesOf(bench.report(N2, [{}]))).toContain("located");
  });

  test("a home is told of what lies somewhere when its owner has been dead for a while", () => {
    const bench = new Bench();
    const owner = "d-1" as ProcessId;
    bench.report(N2, [{ owner }]);
    bench.report(N3, [{ id: O2, owner: "d-2" as ProcessId }]);
    bench.step({ type: "ownerDied", owner, reason: "it crashed" });
    expect(bench.after(OWNER_GRACE_MS - 1)).toEqual([]);
    expect(bench.after(1)).toEqual([{ type: "ownerless", home: N1, objects: [{ id: O1, owner }] }]);
    expect(bench.after(OWNER_GRACE_MS)).toEqual([]);
  });

  test("homes are told of every owner that died, at most every two seconds", () => {
    const bench = new Bench();
    const [first, second] = ["d-1" as ProcessId, "d-2" as ProcessId];
    bench.report(N2, [{ owner: first }, { id: O2, owner: second }]);
    bench.step({ type: "ownerDied", owner: first, reason: "it crashed" });
    bench.after(500);
    bench.step({ type: "ownerDied", owner: second, reason: "it crashed" });
    expect(bench.after(OWNER_GRACE_MS - 500)).toMatchObject([{ objects: [{ id: O1, owner: first }] }]);
    expect(bench.after(OWNER_GRACE_MS - 1)).toEqual([]);
    expect(bench.after(1)).toMatchObject([{ objects: [{ id: O2, owner: second }] }]);
  });

  test("a home is told at once of what comes after its owner's death, of its first copy only", () => {
    const bench = new Bench();
    const owner = "d-1" as ProcessId;
    bench.step({ type: "ownerDied", owner, reason: "it crashed" });
    bench.after(OWNER_GRACE_MS);
    expect(bench.report(N2, [{ owner }]).slice(1)).toEqual([
      { type: "ownerless", home: N1, objects: [{ id: O1, owner }] },
    ]);
    expect(typesOf(bench.report(N3, [{ owner, primary: false }]))).toEqual(["persistObjects"]);
  });

  test("a home that connects again is told again of what still lies somewhere: it may not have heard", () => {
    const bench = new Bench();
    const owner = "d-1" as ProcessId;
    bench.report(N2, [{ owner }, { id: O2, owner }]);
    bench.step({ type: "ownerDied", owner, reason: "it crashed" });
    bench.after(OWNER_GRACE_MS);
    bench.step({ type: "freeObjects", ids: [O2] });
    const again = bench.step({ type: "nodeReported", nodeId: N1, objects: [] });
    expect(again).toEqual([{ type: "ownerless", home: N1, objects: [{ id: O1, owner }] }]);
    expect(bench.step({ type: "nodeReported", nodeId: N1, objects: [] })).toEqual(again);
    expect(bench.step({ type: "nodeReported", nodeId: N3, objects: [] })).toEqual([]);
    bench.step({ type: "ownerLives", owner });
    expect(bench.step({ type: "nodeReported", nodeId: N1, objects: [] })).toEqual([]);
  });

  test("a home that died is not told again as another incarnation, nor of what was lost", () => {
    const bench = new Bench();
    const owner = "d-1" as ProcessId;
    bench.report(N2, [{ owner }]);
    bench.report(N3, [{ id: O2, owner }]);
    bench.step({ type: "ownerDied", owner, reason: "it crashed" });
    bench.after(OWNER_GRACE_MS);
    bench.report(N3, [], [O2]);
    const again = bench.step({ type: "nodeReported", nodeId: N1, objects: [] });
    expect(again).toMatchObject([{ objects: [{ id: O1 }] }]);
    bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(bench.step({ type: "nodeReported", nodeId: N1, objects: [] })).toEqual([]);
  });

  test("no home is told when it died too, when the owner lives after all, or when the object was freed", () => {
    const bench = new Bench();
    const owner = "d-1" as ProcessId;
    bench.report(N2, [{ owner }]);
    bench.step({ type: "ownerDied", owner, reason: "it crashed" });
    bench.step({ type: "ownerLives", owner });
    expect(bench.after(OWNER_GRACE_MS)).toEqual([]);
    bench.step({ type: "ownerDied", owner, reason: "it crashed" });
    bench.step({ type: "freeObjects", ids: [O2] });
    expect(typesOf(bench.report(N2, [{ id: O2, owner }]))).toEqual(["deleteObjects"]);
    bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(bench.after(OWNER_GRACE_MS)).toEqual([]);
  });

  test("an owner's node that comes back as another incarnation does not bring the owner back", () => {
    const bench = new Bench();
    bench.locate();
    bench.step({ type: "nodeDied", nodeId: N1, reason: "its agent restarted" });
    bench.step({ type: "nodeReported", nodeId: N1, objects: [] });
    expect(bench.after(OWNER_GRACE_MS)).toMatchObject([{ code: "OwnerDiedError" }]);
  });

  test("an object that died with its node before it was reported is not awaited for ever", () => {
    const bench = new Bench();
    bench.locate({ at: N3 });
    bench.step({ type: "nodeDied", nodeId: N3, reason: "silent" });
    expect(bench.after(OWNER_GRACE_MS)).toMatchObject([{
      code: "ObjectLostError",
      message: `Cannot find object ${O1}: node n-3, which made it, died with the only copy`,
    }]);
    bench.step({ type: "nodeReported", nodeId: N3, objects: [] });
    bench.locate({ at: N3 });
    expect(bench.after(REPORT_GRACE_MS - 1)).toEqual([]);
    expect(bench.after(1)).toMatchObject([{ code: "ObjectLostError" }]);
  });

  test("who was not told where an object was made hears of its loss from the object's home", () => {
    const bench = new Bench();
    bench.locate();
    bench.step({ type: "nodeDied", nodeId: N3, reason: "silent" });
    expect(bench.after(OWNER_GRACE_MS)).toEqual([]);
    bench.report(N2, [{ id: O2 }]);
    bench.step({ type: "objectsMadeAt", at: N3, ids: [O1, O2] });
    expect(bench.after(1)).toMatchObject([{ code: "ObjectLostError" }]);
    // Who asks later, too; and a copy that turns up is found.
    expect(bench.locate()).toMatchObject([{ code: "ObjectLostError" }]);
    bench.report(N2, [{}]);
    expect(bench.locate()).toMatchObject([{ type: "located", nodes: [N2] }]);
    bench.report(N2, [], [O2]);
    expect(bench.locate({ id: O2 })).toMatchObject([{
      message: expect.stringContaining("dropped its last copy"),
    }]);
  });

  test("copies whose home died stay readable until no job runs", () => {
    const bench = new Bench();
    bench.report(N2, [{}]);
    bench.step({ type: "nodeDied", nodeId: N1, reason: "silent" });
    expect(bench.locate({ nodeId: N3 })).toEqual([{ ...FOUND, nodes: [N2] }]);
    expect(bench.step({ type: "lastJobEnded" }).at(-1)).toEqual({
      type: "deleteObjects",
      nodeId: N2,
      ids: [O1],
    });
  });
});

test("random lives of objects agree with a plain model", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const prng = new Prng(seed);
  const bench = new Bench();
  const nodes = [N1, N2, N3];
  const ids = Array.from({ length: 6 }, (_, index) => `o-1-${index}.0` as ObjectId);
  const held = new Map<ObjectId, Set<NodeId>>();
  const freed = new Set<ObjectId>();
  for (let round = 0; round < 4_000; round++) {
    const nodeId = prng.pick(nodes);
    const id = prng.pick(ids);
    switch (prng.below(7)) {
      case 0:
      case 1:
        bench.report(nodeId, [{ id, primary: prng.chance(50) }]);
        if (!freed.has(id)) held.set(id, (held.get(id) ?? new Set()).add(nodeId));
        break;
      case 2:
        bench.report(nodeId, [], [id]);
        held.get(id)?.delete(nodeId);
        break;
      case 3:
        bench.locate({ id, nodeId, waitId: `x${prng.below(4)}`, wait: prng.chance(70) });
        break;
      case 4:
        bench.step({ type: "cancelLocate", nodeId, waitId: `x${prng.below(4)}` });
        break;
      case 5:
        if (!prng.chance(10)) break;
        bench.step({ type: "nodeDied", nodeId, reason: "silent" });
        for (const holders of held.values()) holders.delete(nodeId);
        break;
      default:
        if (!prng.chance(2)) break;
        bench.step({ type: "freeObjects", ids: [id] });
        freed.add(id);
        held.delete(id);
    }
    bench.after(prng.below(700));
    for (const one of ids) {
      const known = [...bench.machine.get(one)?.holders ?? []].sort();
      if (known.join() !== [...held.get(one) ?? []].sort().join()) {
        throw new Error(`seed ${seed}: ${one} in round ${round}`);
      }
    }
  }
});
