/**
 * What the pages of objects and actors work out for themselves: the machine of an actor's states out of its events, parts of a
 * store, references in words, colours of heat maps.
 */
import { describe, expect, test } from "bun:test";
import type { ActorEventDto, StorePartsDto } from "../../dashboard/api/entities.ts";
import type { MemoryRow } from "../../dashboard/api/memory.ts";
import { machineHistory } from "../../dashboard/app/models/actor_machine.ts";
import { heat } from "../../dashboard/app/models/heat.ts";
import { holderSums, holderWord, siteGroups } from "../../dashboard/app/models/holders.ts";
import { partsOf } from "../../dashboard/app/models/store_parts.ts";

describe("the machine of an actor's states", () => {
  const at = (atMs: number, state: ActorEventDto["state"], incarnation = 1): ActorEventDto => ({
    ...{ atMs, state, incarnation, nodeId: null, workerId: null, cause: null, message: null },
  });

  test("counts visits and ways, and adds up the time in each state", () => {
    const { states, ways, now, sinceMs } = machineHistory([
      at(0, "DEPENDENCIES_UNREADY"),
      at(5, "PENDING_CREATION"),
      // Given to a node: still the same state.
      at(7, "PENDING_CREATION"),
      at(20, "ALIVE"),
      at(120, "RESTARTING", 2),
      at(150, "ALIVE", 2),
    ], 1_150);
    expect(states.PENDING_CREATION).toEqual({ visits: 1, ms: 15 });
    expect(states.ALIVE).toEqual({ visits: 2, ms: 1_100 });
    expect(states.RESTARTING).toEqual({ visits: 1, ms: 30 });
    expect(states.DEAD).toEqual({ visits: 0, ms: 0 });
    expect([...ways]).toEqual([
      ["DEPENDENCIES_UNREADY>PENDING_CREATION", 1],
      ["PENDING_CREATION>ALIVE", 1],
      ["ALIVE>RESTARTING", 1],
      ["RESTARTING>ALIVE", 1],
    ]);
    expect({ now, sinceMs }).toEqual({ now: "ALIVE", sinceMs: 150 });
  });

  test("of a dead one does not go on, and of none at all there is none", () => {
    const { states, now } = machineHistory([at(0, "ALIVE"), at(50, "DEAD")], 9_000);
    expect(states.ALIVE.ms).toBe(50);
    expect(states.DEAD).toEqual({ visits: 1, ms: 0 });
    expect(now).toBe("DEAD");
    expect(machineHistory([], 9_000)).toMatchObject({ now: null, sinceMs: null });
  });
});

describe("a store's parts", () => {
  const store = (some: Partial<StorePartsDto>): StorePartsDto => ({
    ...{ nodeId: "n-1", capacityBytes: 100, usedBytes: 0, primaryBytes: 0, cachedBytes: 0 },
    ...{ spilledBytes: 0, inFlightBytes: 0, objects: 0, inFlight: 0, ...some },
  });

  test("are what is known of objects; the rest that is used is held by writers and readers", () => {
    expect(partsOf(store({ usedBytes: 60, primaryBytes: 30, cachedBytes: 20 })))
      .toEqual({ primary: 30, cached: 20, held: 10, coming: 0 });
  });

  test("count room for what is on its way once", () => {
    expect(partsOf(store({ usedBytes: 60, primaryBytes: 30, inFlightBytes: 25 })))
      .toEqual({ primary: 30, cached: 0, held: 5, coming: 25 });
    expect(partsOf(store({ usedBytes: 30, primaryBytes: 30, inFlightBytes: 25 })))
      .toEqual({ primary: 30, cached: 0, held: 0, coming: 25 });
  });
});

describe("references", () => {
  const holder = (kind: MemoryRow["holders"][number]["kind"], by: string) => ({
    kind,
    holder: by,
    nodeId: "n-1" as never,
  });

  test("are named by kind, the owner's apart from borrowed ones, and added up", () => {
    const holders = [
      holder("LOCAL_REFERENCE", "d-1"),
      holder("PINNED_IN_MEMORY", "w-1"),
      holder("LOCAL_REFERENCE", "w-2"),
    ];
    expect(holders.map((each) => holderWord(each, "d-1"))).toEqual([
      ...["local ref of its owner", "pinned", "borrowed ref"],
    ]);
    expect(holderSums(holders)).toEqual([["LOCAL_REFERENCE", 2], ["PINNED_IN_MEMORY", 1]]);
  });

  test("objects are added up by function and call site, what has no bytes left out", () => {
    const row = (producer: string, callSite: string | null, bytes: number, state = "IN_MEMORY") =>
      ({ producer, callSite, bytes, state }) as MemoryRow;
    expect(siteGroups([
      row("make", "app.ts:1:2", 10),
      row("make", "app.ts:9:2", 50),
      row("make", "app.ts:1:2", 20),
      row("", null, 0, "ACTOR"),
    ])).toEqual([
      { producer: "make", site: "app.ts:9:2", objects: 1, bytes: 50 },
      { producer: "make", site: "app.ts:1:2", objects: 2, bytes: 30 },
    ]);
  });
});

test("a cell is as strong as the root of its share, and anything is told from nothing", () => {
  expect(heat(0, 100)).toBe(0);
  expect(heat(25, 100)).toBe(0.5);
  expect(heat(100, 100)).toBe(1);
  expect(heat(1, 1e12)).toBeGreaterThan(0.05);
});
