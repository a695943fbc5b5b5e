/** Results of actors' calls that were lost with their node are made again, by the actor, which may have to come back for it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  get,
  kill,
  listActors,
  ObjectLostError,
  ObjectReconstructionFailedError,
  type ObjectRef,
  put,
  remote,
  shutdown,
} from "mobula";
import type { TallyHandle } from "../support/actors.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";
import { startCases } from "./cases.ts";
import { BYTES, countHere, FAR, farNode, letGo, replace, stored, TIME } from "./lost_nodes.ts";

const leftovers = watchLeftovers();
beforeAll(async () => {
  await startCases({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** What it makes tells the incarnation that made it, and its argument. */
const Maker = remote(
  class Maker {
    readonly tally: TallyHandle;
    #life: number | null = null;
    constructor(tally: TallyHandle, _large: Uint8Array) {
      this.tally = tally;
    }
    async make(value: number): Promise<Uint8Array> {
      this.#life ??= await get(this.tally.add.remote("life"));
      await get(this.tally.add.remote(value));
      return new Uint8Array(BYTES).fill(value);
    }
    async *items(count: number): AsyncGenerator<Uint8Array> {
      await get(this.tally.add.remote("items"));
      for (let index = 0; index < count; index++) yield new Uint8Array(BYTES).fill(index);
    }
  },
  FAR,
);

type Row = Record<string, unknown>;

/** The newest actor of the class. */
async function makerRow(): Promise<Row> {
  const rows = await listActors({ filters: ["className=Maker"], detail: true }) as Row[];
  return rows.at(0)!;
}

const firstOf = remote((data: Uint8Array) => data[0]!);

test("RECON-13 an actor out of scope is brought back once for its lost results, and ends again", async () => {
  const tally = await countHere();
  let node = await farNode();
  const large = await put(new Uint8Array(BYTES));
  const maker = Maker.options({ maxRestarts: -1, maxTaskRetries: -1 }).remote(tally, large);
  const refs = [maker.make.remote(1), maker.make.remote(2)];
  await stored(...refs);
  letGo(maker, large);
  await waitFor("it is out of scope", async () => (await makerRow())["deathCause"] === "OUT_OF_SCOPE");
  expect(await makerRow()).toMatchObject({ state: "DEAD", numLineageRestarts: 0 });
  expect(await get(tally.take.remote())).toEqual(["life", 1, 2]);
  node = await replace(node);
  for (const [index, ref] of refs.entries()) {
    expect(await get(firstOf.options(FAR).remote(ref), TIME)).toBe(index + 1);
  }
  expect(await get(tally.take.remote())).toEqual(["life", 1, 2]);
  const isOver = async (code: string) => (await makerRow())["deathCause"] === code;
  await waitFor("it is out of scope again", () => isOver("OUT_OF_SCOPE"));
  expect(await makerRow()).toMatchObject({ state: "DEAD", numLineageRestarts: 1 });
  letGo(...refs);
  await waitFor("it is dead for good", () => isOver("REF_DELETED"));
  expect(await makerRow()).toMatchObject({ state: "DEAD", numLineageRestarts: 1 });
  letGo(tally);
  await node.kill();
}, 60_000);

test(
  "RECON-13 an actor that is in use makes its lost results again, items too, as often as calls are retried",
  async () => {
    const tally = await countHere();
    let node = await farNode();
    const maker = Maker.options({ maxRestarts: -1, maxTaskRetries: 1 }).remote(tally, new Uint8Array(1));
    const plain = maker.make.options({ maxTaskRetries: 0 }).remote(1);
    const made = maker.make.remote(2);
    const items: ObjectRef<Uint8Array>[] = [];
    for await (const ref of maker.items.remote(3)) items.push(ref);
    await stored(plain, made);
    await get(tally.take.remote());
    node = await replace(node);
    const far = firstOf.options(FAR);
    expect(await get([made, ...items].map((ref) => far.remote(ref)), TIME)).toEqual([2, 0, 1, 2]);
    expect((await get(tally.take.remote())).sort()).toEqual([2, "items", "life"]);
    const lost = await rejection<Error>(get(plain, TIME));
    expect(lost).toBeInstanceOf(ObjectLostError);
    expect(lost.message).toContain("maxTaskRetries: 0");
    node = await replace(node);
    const error = await rejection<Error>(get(made, TIME));
    expect(error).toBeInstanceOf(ObjectReconstructionFailedError);
    expect(error.message).toContain("max attempts");
    letGo(plain, made, ...items, maker, tally);
    await node.kill();
  },
  60_000,
);

test(
  "an actor that was killed, or has no restarts left, is not brought back: the error says so",
  async () => {
    const tally = await countHere();
    let node = await farNode();
    const Retried = Maker.options({ maxRestarts: 1, maxTaskRetries: -1 });
    const killed = Retried.remote(tally, new Uint8Array(1));
    const first = killed.make.remote(1);
    await stored(first);
    // After the other one is there, so that its row is the newest.
    const once = Retried.remote(tally, new Uint8Array(1));
    const second = once.make.remote(2);
    await stored(second);
    await kill(killed);
    letGo(killed, once);
    const isOver = async () => (await makerRow())["deathCause"] === "OUT_OF_SCOPE";
    await waitFor("one is dead", async () => {
      const rows = await listActors({ filters: ["className=Maker", "state=DEAD"] }) as Row[];
      return rows.some(({ deathCause }) => deathCause === "KILLED");
    });
    await waitFor("the other one is out of scope", isOver);
    node = await replace(node);
    const error = await rejection<Error>(get(first, TIME));
    expect(error).toBeInstanceOf(ObjectReconstructionFailedError);
    expect(error.message).toContain("killed by kill()");
    expect(await get(firstOf.options(FAR).remote(second), TIME)).toBe(2);
    await waitFor("it is out of scope again", isOver);
    node = await replace(node);
    const used = await rejection<Error>(get(second, TIME));
    expect(used).toBeInstanceOf(ObjectReconstructionFailedError);
    expect(used.message).toContain("restarts");
    letGo(first, second, tally);
    await node.kill();
  },
  60_000,
);
