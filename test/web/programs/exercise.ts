/**
 * A driver that uses mobula/web, for processes, pages and edge functions alike: it does some of everything and tells what came
 * of it.
 * @module
 */
import {
  AuthenticationError,
  get,
  init,
  isInitialized,
  kill,
  MobulaError,
  nodes,
  put,
  registerClass,
  release,
  remote,
  shutdown,
  wait,
  type WebInitOptions,
} from "mobula/web";

const MB10 = 10 << 20;

const add = remote((x: number, y: number) => x + y);
const describe = remote((bytes: Uint8Array) => [bytes.length, bytes[0]!, bytes[bytes.length - 1]!]);
const make = remote((bytes: number) => new Uint8Array(bytes).fill(7));
const fail = remote(() => {
  throw new RangeError("away");
});
const isPage = remote(() => typeof (globalThis as { document?: unknown }).document !== "undefined");
const runForever = remote(() => new Promise<number>(() => {}));
const stream = remote(function* (items: number, bytes: number) {
  for (let item = 0; item < items; item++) yield new Uint8Array(bytes).fill(item);
});
const Counter = remote(
  class Counter {
    value: number;
    constructor(start: number) {
      this.value = start;
    }
    add(n: number): number {
      return this.value += n;
    }
  },
);

class Point {
  x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const moved = remote((point: { x: number }) => {
  point.x += 1;
  return point;
});

/** What exercise() saw. */
export type Report = Readonly<Record<string, unknown>>;

export async function exercise(options: WebInitOptions): Promise<Report> {
  registerClass(Point, { encode: (point) => point.x, decode: (x) => new Point(x) });
  await using _cluster = await init(options);
  const stored = await put(new Uint8Array(MB10).fill(5));
  const back = await get(stored);
  const made = await get(make.remote(MB10));
  const counter = Counter.remote(40);
  const counted = await get([counter.add.remote(1), counter.add.remote(1)]);
  await kill(counter);
  const first = add.remote(1, 2);
  const chained = await get(add.remote(first, 10));
  release(first);
  const many = await get(Array.from({ length: 200 }, (_, n) => add.remote(n, 1)));
  const [ready, remaining] = await wait([add.remote(1, 1), runForever.remote()], { numReturns: 1 });
  const streamed = [await ends(3, 10), await ends(3, 300_000)];
  const left = stream.options({ generatorBackpressure: 1 }).remote(1_000_000, 10);
  for await (const ref of left) {
    release(ref);
    break;
  }
  const completed = await get(left.completed());
  release(left);
  const point = await get(moved.remote(new Point(1)));
  return {
    put: [back.length, back[0], back[MB10 - 1]],
    argument: await get(describe.remote(stored)),
    large: await get(describe.remote(new Uint8Array(MB10).fill(3))),
    made: [made.length, made[0], made[MB10 - 1]],
    counted,
    chained,
    many: many.reduce((sum, n) => sum + n, 0),
    waited: [ready.length, remaining.length],
    failed: await get(fail.remote()).catch((error) =>
      error instanceof RangeError && error.message.includes("away")
    ),
    streamed,
    left: completed === undefined,
    isPage: await get(isPage.remote()),
    point: [point instanceof Point, point.x],
    nodes: (await nodes()).length,
  };
}

/** The last byte of each item of a stream. */
async function ends(items: number, bytes: number): Promise<number[]> {
  const ends: number[] = [];
  for await (const value of stream.remote(items, bytes).values()) ends.push(value[bytes - 1]!);
  return ends;
}

/** What exercise() must tell. */
export const EXPECTED: Report = {
  put: [MB10, 5, 5],
  argument: [MB10, 5, 5],
  large: [MB10, 3, 3],
  made: [MB10, 7, 7],
  counted: [41, 42],
  chained: 13,
  many: 20_100,
  waited: [1, 1],
  failed: true,
  streamed: [[0, 1, 2], [0, 1, 2]],
  left: true,
  isPage: false,
  point: [true, 2],
  nodes: 1,
};

/** Name and message of the error with which init() refuses. */
export async function refusal(
  options: WebInitOptions,
): Promise<[name: string, message: string, isAuth: boolean]> {
  try {
    await init(options);
    return ["", "it was let in", false];
  } catch (error) {
    const { name, message } = error as Error;
    return [name, message, error instanceof AuthenticationError];
  } finally {
    await shutdown();
  }
}

/** Connect and begin what never ends; `ended` tells how it ended. */
export async function begin(
  options: WebInitOptions,
): Promise<{ ended: Promise<[code: string, message: string]> }> {
  await init(options);
  const ref = runForever.remote();
  const counter = Counter.remote(1);
  await get(counter.add.remote(1));
  const ended = get(ref).then(
    () => ["", "it ended"] as [string, string],
    (error) =>
      [error instanceof MobulaError ? String(error.code) : error.name, error.message] as [string, string],
  );
  return { ended };
}

/** One task in whatever cluster there is; null when there is none. */
export async function oneMore(): Promise<number | null> {
  return isInitialized() ? await get(add.remote(1, 1)) : null;
}
