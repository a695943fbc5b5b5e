/** Goal: what a leaving node alone has goes where there is room. */
import { expect, test } from "bun:test";
import type { NodeId, ObjectId } from "../../../runtime/common/ids.ts";
import { planOffload } from "../../../runtime/core/object/offload_plan.ts";

const node = (id: string): NodeId => id as NodeId;
const object = (id: string, bytes: number, ...holders: string[]) => ({
  id: id as ObjectId,
  bytes,
  holders: new Set(holders.map(node)),
});
const targets = [{ nodeId: node("n-1"), freeBytes: 100 }, { nodeId: node("n-2"), freeBytes: 150 }];

test("each object goes to the node with the most room left; one that fits nowhere is left out", () => {
  const objects = [
    object("o-1", 60, "n-9"),
    object("o-2", 80, "n-9"),
    object("o-3", 200, "n-9"),
    object("o-4", 90),
  ];
  expect(planOffload(objects, node("n-9"), targets)).toEqual([
    { nodeId: node("n-2"), ids: ["o-1", "o-4"] as ObjectId[] },
    { nodeId: node("n-1"), ids: ["o-2"] as ObjectId[] },
  ]);
});

test("an object that is elsewhere stays there, whatever room there is", () => {
  expect(planOffload([object("o-1", 500, "n-9", "n-1")], node("n-9"), targets)).toEqual([
    { nodeId: node("n-1"), ids: ["o-1"] as ObjectId[] },
  ]);
  expect(planOffload([object("o-1", 500, "n-9")], node("n-9"), [])).toEqual([]);
});
