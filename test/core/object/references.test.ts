/**
 * Reference counting as a pure machine: whole effect lists of one agent for each rule, then random runs of three agents
 * whose messages take their time. There the truth is known: nothing may be freed that a process still holds, or that lies
 * in an object which somebody can still reach; and when all have let go, everything is freed.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { ActorId, NodeId, ObjectId, ProcessId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { FREED_REMEMBERED, References } from "../../../runtime/core/object/references.ts";
import type { ReferencesEffect, ReferencesEvent } from "../../../runtime/core/object/references_types.ts";

const here = "n-a" as NodeId;
const there = "n-b" as NodeId;
const owner = "d-1" as ProcessId;
const worker = "w-2" as ProcessId;
const id = "o-1-p1" as ObjectId;
const outer = "o-1-p2" as ObjectId;
const actor = "a-1" as ActorId;

let references: References;
beforeEach(() => {
  references = new References(here);
});
afterEach(() => references.check());

function step(event: ReferencesEvent): readonly ReferencesEffect[] {
  const effects = references.step(0, event);
  references.check();
  return effects;
}
type Op = "own" | "disown" | "hold" | "drop";
const change = (process: ProcessId, op: Op, target: ObjectId | ActorId = id, home = here) =>
  step({
    type: "changed",
    process,
    changes: [op === "own" ? { op, id: target, home, at: null } : { op, id: target, home }],
  });
const nodeChange = (op: "hold" | "drop", from = there, target = id) =>
  step({ type: "nodeChanged", from, changes: [{ op, id: target }] });
const free = [{ type: "freeObjects", ids: [id] }] as const;

test("an object is free when its owner lets go and nobody else holds it", () => {
  expect(change(owner, "own")).toEqual([]);
  expect(change(owner, "disown")).toEqual(free as unknown as ReferencesEffect[]);
  expect(change(owner, "disown")).toEqual([]);
  expect(references.countedSize).toBe(0);
});

test("what a dead owner's task made elsewhere is freed when its home hears of it, unless it is held", () => {
  const made = { type: "sealed", id, home: here, owner: worker, contains: [] } as const;
  step({ type: "processDied", process: worker });
  nodeChange("hold");
  expect(step(made)).toEqual([]);
  expect(nodeChange("drop")).toEqual(free as unknown as ReferencesEffect[]);
  // Told again: the delete may not have reached its copy.
  expect(step(made)).toEqual(free as unknown as ReferencesEffect[]);
  expect(references.countedSize).toBe(0);
});

test("an actor whose handles are gone is out of scope", () => {
  change(owner, "own", actor);
  change(worker, "hold", actor);
  expect(change(owner, "disown", actor)).toEqual([]);
  expect(change(worker, "drop", actor)).toEqual([{ type: "freeActor", id: actor }]);
});

test("local holders and other nodes keep an object after its owner", () => {
  change(owner, "own");
  change(worker, "hold");
  change(worker, "hold");
  nodeChange("hold");
  nodeChange("hold");
  change(owner, "disown");
  expect(references.describe(id)).toEqual({ owner, owned: false, holders: [worker], nodes: [there] });
  expect(change(worker, "drop")).toEqual([]);
  expect(nodeChange("drop") as unknown).toEqual(free);
  expect(nodeChange("drop")).toEqual([]);
});

test("the owner's death hands the object over to those who hold it", () => {
  change(owner, "own");
  nodeChange("hold");
  expect(step({ type: "processDied", process: owner })).toEqual([]);
  expect(nodeChange("drop") as unknown).toEqual(free);
});

test("a dead process holds nothing, and its late messages change nothing", () => {
  change(owner, "own");
  change(worker, "hold");
  change(owner, "disown");
  expect(step({ type: "processDied", process: worker }) as unknown).toEqual(free);
  expect(change(worker, "hold")).toEqual([]);
  expect(references.countedSize).toBe(0);
});

test("a dead node holds nothing", () => {
  change(owner, "own");
  nodeChange("hold");
  change(owner, "disown");
  expect(step({ type: "nodeDied", node: there }) as unknown).toEqual(free);
});

test("a home knows where its objects were made, and says so when that node dies", () => {
  step({ type: "changed", process: owner, changes: [{ op: "own", id, home: here, at: there }] });
  change(owner, "own", outer);
  expect([references.madeAt(id), references.madeAt(outer)]).toEqual([there, undefined]);
  expect(step({ type: "nodeDied", node: there })).toEqual([{ type: "stranded", node: there, ids: [id] }]);
  expect(step({ type: "nodeDied", node: "n-c" as NodeId })).toEqual([]);
});

test("a borrower that is faster than the owner's own message does not decide", () => {
  nodeChange("hold");
  expect(nodeChange("drop")).toEqual([]);
  change(owner, "own");
  expect(change(owner, "disown") as unknown).toEqual(free);
});

test("a home is told once when the first of a node's processes holds, and once when the last has let go", () => {
  expect(change(worker, "hold", id, there)).toEqual([
    { type: "send", batchId: 1, home: there, changes: [{ op: "hold", id }] },
  ]);
  expect(change(owner, "hold", id, there)).toEqual([]);
  expect(step({ type: "delivered", batchId: 1 })).toEqual([]);
  expect(change(worker, "drop", id, there)).toEqual([]);
  expect(change(owner, "drop", id, there)).toEqual([
    { type: "send", batchId: 2, home: there, changes: [{ op: "drop", id }] },
  ]);
});

test("changes for a home are gathered while a batch is under way", () => {
  change(worker, "hold", id, there);
  expect(change(worker, "hold", outer, there)).toEqual([]);
  expect(step({ type: "delivered", batchId: 1 })).toEqual([
    { type: "send", batchId: 2, home: there, changes: [{ op: "hold", id: outer }] },
  ]);
});

test("drops wait until the holds before them are counted at their homes", () => {
  change(owner, "own", outer);
  change(worker, "hold", outer);
  change(owner, "disown", outer);
  // It finds a ref of another home inside, and lets go of the outer object.
  change(worker, "hold", id, there);
  expect(change(worker, "drop", outer)).toEqual([]);
  expect(step({ type: "delivered", batchId: 1 })).toEqual([{ type: "freeObjects", ids: [outer] }]);
});

test("a drop that waits is taken back by a hold after it", () => {
  change(owner, "own", outer);
  change(worker, "hold", outer);
  change(owner, "disown", outer);
  change(worker, "hold", id, there);
  change(worker, "drop", outer);
  change(worker, "hold", outer);
  expect(step({ type: "delivered", batchId: 1 })).toEqual([]);
  expect(references.describe(outer)?.holders).toEqual([worker]);
});

test("a flush is answered when all before it has reached its home", () => {
  expect(step({ type: "flush", flushId: "1" })).toEqual([{ type: "flushed", flushId: "1" }]);
  change(worker, "hold", id, there);
  expect(step({ type: "flush", flushId: "2" })).toEqual([]);
  change(worker, "hold", outer, there);
  expect(step({ type: "delivered", batchId: 1 })).toEqual([
    { type: "send", batchId: 2, home: there, changes: [{ op: "hold", id: outer }] },
    { type: "flushed", flushId: "2" },
  ]);
});

test("nothing waits for a dead home", () => {
  change(worker, "hold", id, there);
  change(worker, "hold", outer, there);
  step({ type: "flush", flushId: "1" });
  expect(step({ type: "nodeDied", node: there })).toEqual([{ type: "flushed", flushId: "1" }]);
  expect(step({ type: "delivered", batchId: 1 })).toEqual([]);
});

test("sealing counts for the owner, and holds the contents until the object is deleted", () => {
  change(owner, "own");
  step({ type: "sealed", id: outer, home: here, owner, contains: [{ id, home: here }] });
  expect(change(owner, "disown")).toEqual([]);
  expect(change(owner, "disown", outer)).toEqual([{ type: "freeObjects", ids: [outer] }]);
  expect(step({ type: "deleted", id: outer }) as unknown).toEqual(free);
  expect(step({ type: "deleted", id: outer })).toEqual([]);
});

test("who keeps the contents of an object holds them after it, until the last keep is over", () => {
  const targets = [{ id, home: there }, { id: actor, home: here }];
  change(owner, "own", outer);
  change(owner, "own", actor);
  step({ type: "sealed", id: outer, home: here, owner, contains: targets });
  step({ type: "delivered", batchId: 1 });
  change(owner, "disown", actor);
  expect(references.contentsOf(outer)).toBe(2);
  const keep = () => step({ type: "keepContents", process: worker, id: outer });
  const letGo = () =>
    step({ type: "changed", process: worker, changes: [{ op: "dropContents", id: outer, home: here }] });
  expect([...keep(), ...keep()]).toEqual([]);
  expect(change(owner, "disown", outer)).toEqual([{ type: "freeObjects", ids: [outer] }]);
  expect(step({ type: "deleted", id: outer })).toEqual([]);
  // Made again, with something else inside.
  step({
    type: "sealed",
    id: outer,
    home: there,
    owner,
    contains: [{ id: "o-1-p3" as ObjectId, home: here }],
  });
  expect(references.contentsOf(outer)).toBe(3);
  expect(step({ type: "deleted", id: outer })).toEqual([]);
  expect(letGo()).toEqual([]);
  expect(letGo()).toEqual([
    { type: "freeActor", id: actor },
    { type: "send", batchId: 2, home: there, changes: [{ op: "drop", id }] },
  ]);
  expect(letGo()).toEqual([]);
  expect(references.contentsOf(outer)).toBe(0);
  expect(references.countedSize).toBe(0);
});

test("what a dead process kept is let go", () => {
  change(owner, "own");
  step({ type: "sealed", id: outer, home: there, owner, contains: [{ id, home: here }] });
  step({ type: "keepContents", process: worker, id: outer });
  change(owner, "disown");
  expect(step({ type: "deleted", id: outer })).toEqual([]);
  expect(step({ type: "processDied", process: worker }) as unknown).toEqual(free);
  // Its last word comes late.
  change(worker, "drop", outer);
});

test("what is sealed after its owner has let go, or has died, is free", () => {
  change(owner, "disown");
  expect(step({ type: "sealed", id, home: here, owner, contains: [] }) as unknown).toEqual(free);
  step({ type: "processDied", process: owner });
  expect(step({ type: "sealed", id: outer, home: here, owner, contains: [] }))
    .toEqual([{ type: "freeObjects", ids: [outer] }]);
});

test("freed ids are remembered, not for ever", () => {
  for (let n = 0; n <= FREED_REMEMBERED; n++) {
    references.step(0, {
      type: "changed",
      process: owner,
      changes: [{ op: "disown", id: `o-1-${n}` as ObjectId, home: here }],
    });
  }
  expect(step({ type: "sealed", id: "o-1-0" as ObjectId, home: here, owner, contains: [] })).toEqual([]);
});

test("agents with slow links free nothing that is needed, and all that is not", () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  for (let run = 0; run < 150; run++) {
    try {
      new World(new Prng(seed + run)).run();
    } catch (error) {
      throw new Error(`seed ${seed + run}: ${(error as Error).message}`, { cause: error });
    }
  }
});

interface Thing {
  readonly id: ObjectId;
  readonly home: NodeId;
  readonly owner: ProcessId;
  /** Where it is stored. */
  readonly at: NodeId;
  readonly contains: readonly Thing[];
  owned: boolean;
  freed: boolean;
  deleted: boolean;
}

/** Three agents, two processes each. Links deliver in order, after a random number of rounds. */
class World {
  readonly #prng: Prng;
  readonly #nodes = ["n-a", "n-b", "n-c"] as NodeId[];
  readonly #agents = new Map(this.#nodes.map((node) => [node, new References(node)]));
  readonly #processes = this.#nodes.flatMap((node) => [`w-${node}1`, `w-${node}2`]) as ProcessId[];
  readonly #holds = new Map<ProcessId, Set<Thing>>(this.#processes.map((process) => [process, new Set()]));
  readonly #things = new Map<ObjectId, Thing>();
  /** What processes read as a whole: they hold what is inside. */
  readonly #kept: { process: ProcessId; outer: Thing; inside: readonly Thing[] }[] = [];
  readonly #links = new Map<string, { dueMs: number; deliver: () => void }[]>();
  readonly #flushes = new Map<string, () => void>();
  #round = 0;
  #flushId = 0;

  constructor(prng: Prng) {
    this.#prng = prng;
  }

  run(): void {
    for (let n = 0; n < 300; n++) {
      this.#act();
      this.#round++;
      this.#deliver();
    }
    this.#settle(); // Refs that are on their way arrive.
    while (this.#kept.length > 0) this.#letGo();
    for (const process of this.#processes) {
      for (const thing of [...this.#holds.get(process)!]) this.#drop(process, thing);
    }
    for (const thing of this.#things.values()) if (thing.owned) this.#disown(thing);
    this.#settle();
    for (const thing of this.#things.values()) {
      expect(
        thing.freed
          ? "freed"
          : `${thing.id} is left: ${JSON.stringify(this.#agents.get(thing.home)!.describe(thing.id))}`,
      )
        .toBe("freed");
    }
    for (const agent of this.#agents.values()) expect(agent.countedSize).toBe(0);
  }

  #settle(): void {
    while ([...this.#links.values()].some((link) => link.length > 0)) {
      this.#round++;
      this.#deliver();
    }
  }

  #act(): void {
    const process = this.#prng.pick(this.#processes);
    const things = [...this.#holds.get(process)!];
    const own = [...this.#things.values()].filter((thing) => thing.owned && thing.owner === process);
    const reachable = [...things, ...own];
    switch (this.#prng.below(7)) {
      case 6:
        if (this.#kept.length > 0) this.#letGo();
        break;
      case 0:
        this.#make(process, reachable);
        break;
      case 1:
        if (things.length > 0) this.#drop(process, this.#prng.pick(things));
        break;
      case 2:
        if (own.length > 0) this.#disown(this.#prng.pick(own));
        break;
      case 3:
      case 4:
        if (reachable.length > 0) this.#lend(this.#prng.pick(reachable), process);
        break;
      case 5:
        if (reachable.length > 0) this.#open(process, this.#prng.pick(reachable));
        break;
    }
  }

  /** A new object at a random node, perhaps with refs inside: as a put, or as a result. Its maker keeps the refs inside until
   *  the seal is answered. */
  #make(owner: ProcessId, reachable: Thing[]): void {
    const at = this.#prng.pick(this.#nodes);
    const home = nodeOf(owner);
    const contains = reachable.filter(() => this.#prng.chance(30)).slice(0, 3);
    const thing: Thing = {
      id: `o-x-${this.#things.size}` as ObjectId,
      home,
      owner,
      at,
      contains,
      owned: true,
      freed: false,
      deleted: false,
    };
    this.#things.set(thing.id, thing);
    this.#change(owner, "own", thing);
    // Held for as long as the seal is not answered, by the maker's agent as well.
    const keepers = contains.map((inner) => this.#keep(inner));
    this.#post(home, at, () => {
      this.#apply(at, {
        type: "sealed",
        id: thing.id,
        home,
        owner,
        contains: contains.map((inner) => ({ id: inner.id, home: inner.home })),
      });
      this.#flush(at, () => keepers.forEach((done) => done()));
    });
  }

  /** A ref travels as a task's argument: the lender keeps it until the borrower's hold has been counted. */
  #lend(thing: Thing, _lender: ProcessId): void {
    const borrower = this.#prng.pick(this.#processes);
    if (borrower === thing.owner) return;
    const done = this.#keep(thing);
    this.#post(nodeOf(_lender), nodeOf(borrower), () => {
      this.#hold(borrower, thing);
      this.#flush(nodeOf(borrower), done);
    });
  }

  /** A process takes the refs out of an object that it can reach, and may let go of the object at once. */
  #open(process: ProcessId, thing: Thing): void {
    const node = nodeOf(process);
    if (this.#agents.get(node)!.contentsOf(thing.id) > 0 && this.#prng.chance(50)) {
      this.#kept.push({ process, outer: thing, inside: thing.contains });
      this.#apply(node, { type: "keepContents", process, id: thing.id });
    } else for (const inner of thing.contains) if (inner.owner !== process) this.#hold(process, inner);
    if (this.#holds.get(process)!.has(thing) && this.#prng.chance(70)) this.#drop(process, thing);
  }

  /** Of a value that was read as a whole, perhaps one ref is held on its own, the others go. */
  #letGo(): void {
    const [kept] = this.#kept.splice(this.#prng.below(this.#kept.length), 1);
    const { process, outer: { id, home }, inside } = kept!;
    const stays = this.#prng.chance(30) ? this.#prng.pick(inside) : undefined;
    if (stays !== undefined && stays.owner !== process) this.#hold(process, stays);
    this.#apply(nodeOf(process), { type: "changed", process, changes: [{ op: "dropContents", id, home }] });
  }

  /** Somebody who will surely hold the thing until `done`: a process of the thing's home, as its owner would. */
  #keep(thing: Thing): () => void {
    const keeper = `w-keep${this.#flushId++}` as ProcessId;
    this.#holds.set(keeper, new Set([thing]));
    this.#apply(thing.home, {
      type: "changed",
      process: keeper,
      changes: [{ op: "hold", id: thing.id, home: thing.home }],
    });
    return () => {
      this.#holds.delete(keeper);
      this.#apply(thing.home, {
        type: "changed",
        process: keeper,
        changes: [{ op: "drop", id: thing.id, home: thing.home }],
      });
    };
  }

  #hold(process: ProcessId, thing: Thing): void {
    this.#holds.get(process)!.add(thing);
    this.#change(process, "hold", thing);
  }

  #drop(process: ProcessId, thing: Thing): void {
    this.#holds.get(process)!.delete(thing);
    this.#change(process, "drop", thing);
  }

  #disown(thing: Thing): void {
    thing.owned = false;
    this.#change(thing.owner, "disown", thing);
  }

  #change(process: ProcessId, op: Op, { id, home }: Thing): void {
    const changes = [op === "own" ? { op, id, home, at: null } : { op, id, home }];
    const node = process.startsWith("w-keep") ? home : nodeOf(process);
    this.#apply(node, { type: "changed", process, changes });
  }

  #flush(node: NodeId, done: () => void): void {
    const flushId = `f${this.#flushId++}`;
    this.#flushes.set(flushId, done);
    this.#apply(node, { type: "flush", flushId });
  }

  #apply(node: NodeId, event: ReferencesEvent): void {
    const agent = this.#agents.get(node)!;
    const effects = agent.step(0, event);
    agent.check();
    for (const effect of effects) {
      switch (effect.type) {
        case "send":
          this.#post(node, effect.home, () => {
            this.#apply(effect.home, { type: "nodeChanged", from: node, changes: effect.changes });
            this.#post(
              effect.home,
              node,
              () => this.#apply(node, { type: "delivered", batchId: effect.batchId }),
            );
          });
          break;
        case "freeObjects":
          for (const freed of effect.ids) this.#freed(this.#things.get(freed)!, node);
          break;
        case "flushed":
          this.#flushes.get(effect.flushId)!();
          break;
      }
    }
  }

  #freed(thing: Thing, home: NodeId): void {
    // A second time when it is sealed after it was freed.
    thing.freed = true;
    if (thing.owned) throw new Error(`${thing.id} was freed while its owner has it`);
    for (const [process, things] of this.#holds) {
      if (things.has(thing)) throw new Error(`${thing.id} was freed while ${process} holds it`);
    }
    for (const { process, inside } of this.#kept) {
      if (inside.includes(thing)) throw new Error(`${thing.id} was freed while ${process} keeps it`);
    }
    for (const container of this.#things.values()) {
      if (!container.freed && container.contains.includes(thing)) {
        throw new Error(`${thing.id} was freed while ${container.id} contains it`);
      }
    }
    this.#post(home, thing.at, () => this.#apply(thing.at, { type: "deleted", id: thing.id }));
  }

  #post(from: NodeId, to: NodeId, deliver: () => void): void {
    if (from === to && this.#prng.chance(50)) return deliver();
    const key = `${from} ${to}`;
    const link = this.#links.get(key) ?? [];
    const delay = this.#prng.chance(10) ? this.#prng.below(100) : this.#prng.below(5);
    const dueMs = Math.max(this.#round + delay, link.at(-1)?.dueMs ?? 0);
    link.push({ dueMs, deliver });
    this.#links.set(key, link);
  }

  #deliver(): void {
    for (const link of this.#links.values()) {
      while (link.length > 0 && link[0]!.dueMs <= this.#round) link.shift()!.deliver();
    }
  }
}

function nodeOf(process: ProcessId): NodeId {
  return process.slice(2, -1) as NodeId;
}
