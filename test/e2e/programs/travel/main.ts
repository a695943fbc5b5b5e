/**
 * The program of four modules: its functions and classes use its modules as any do. It prints a line of JSON. Arguments:
 * "hide" or "stay", and the runtime of the workers. With "hide", once everything is defined its sources are moved away, so
 * that no worker could read them.
 * @module
 */
import { renameSync } from "node:fs";
import { get, init, remote } from "mobula";
import settings from "./settings.json" with { type: "json" };
import { Circle, METRE, type Shape, Square } from "./shapes.ts";
import { nodeCount, parsed } from "./text.ts";
import * as tasks from "./tasks.ts";

(globalThis as { driverRuns?: number }).driverRuns = 1;
if (!("driverRuns" in globalThis)) throw new Error("a worker runs the driver's own statements");

const FACTOR = settings.factor * 2;
const unused = process.argv[2]!.length;
void unused;

const scaled = (shape: Shape): number => area(shape) * FACTOR;
function area(shape: Shape): number {
  return shape.area();
}

const Math = { round: (n: number): number => globalThis.Math.floor(n + 0.5) }; // It hides the global.

const total = remote(async (sides: number[], unit: string = METRE) => {
  const shapes: Shape[] = sides.flatMap((side) => [new Square(side), new Circle(side)]);
  return {
    sum: shapes.map(scaled).reduce((a, b) => a + Math.round(b), 0),
    names: shapes.map((shape) => shape.describe(unit)),
    nodes: nodeCount("1 + 2"),
    runtime: "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node",
    lazily: await (await import("./lazy.ts")).lazily(),
    driver: (globalThis as { driverRuns?: number }).driverRuns ?? 0,
  };
});

class Base {
  protected readonly seen: number[] = [];
  count(): number {
    return this.seen.length;
  }
}
class Collector extends Base {
  readonly #factor = FACTOR;
  add(n: number): number {
    this.seen.push(n * this.#factor);
    return this.seen.at(-1)!;
  }
  fail(): never {
    throw new tasks.Refused("collector");
  }
}
const RemoteCollector = remote(Collector);

const even = (n: number): boolean => n === 0 || odd(n - 1);
function odd(n: number): boolean {
  return n !== 0 && even(n - 1);
}
const isEven = remote(even);

const fibonacci = remote(async (n: number): Promise<number> => {
  if (n < 2) return n;
  const [a, b] = await get([fibonacci.remote(n - 1), fibonacci.remote(n - 2)]);
  return a + b;
});
const nested = remote(async (n: number) => {
  const local = remote((m: number) => FACTOR * m);
  return await get([tasks.triple.remote(n), local.remote(n)]);
});
const rounded = remote((n: number) => Math.round(n));
const failing = remote((value: string) => parsed(value));

async function main(): Promise<void> {
  await using _cluster = await init({ runtimeEnv: { runtime: process.argv[3] as "bun" } });
  if (process.argv[2] === "hide") renameSync(import.meta.dirname!, `${import.meta.dirname}-gone`);
  const collector = RemoteCollector.remote();
  const failure = await get(failing.remote("(")).catch((error) => error);
  const refused = await get(collector.fail.remote()).catch((error) => error);
  console.log(JSON.stringify({
    total: await get(total.remote([1, 2])),
    added: await get([collector.add.remote(2), collector.add.remote(3), collector.count.remote()]),
    even: await get([isEven.remote(10), isEven.remote(7)]),
    fibonacci: await get(fibonacci.remote(6)),
    rounded: await get(rounded.remote(2.5)),
    nested: await get(nested.remote(5)),
    hashes: [total, RemoteCollector, fibonacci, tasks.triple].map((made) =>
      (made as unknown as { code: { definition: { hash: string } } }).code.definition.hash
    ),
    triple: await get(tasks.triple.remote(4)),
    refused: [refused.name, refused.message, refused.remoteStack],
    failure: [failure.message, failure.remoteStack],
  }));
}
await main();
