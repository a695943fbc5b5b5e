/**
 * Goal: items come to their reader once and in order, through retries, repeats and late messages; the producer is never further
 * ahead than it may be, and never stands still while somebody waits. Method: both machines by themselves, then against each
 * other with an unreliable worker and messages that are late; check() after every step.
 * @module
 */
import { describe, expect, test } from "bun:test";
import { Prng } from "../../../runtime/common/prng.ts";
import type { ItemsRequest } from "../../../runtime/protocol/push.ts";
import { ItemProducer } from "../../../runtime/core/worker/item_producer.ts";
import {
  ITEM_OVERHEAD_BYTES,
  ItemReader,
  UNREAD_BYTES_MAX,
} from "../../../runtime/core/worker/item_reader.ts";

const STORED = "stored";

/** Items are their own size in bytes, or stored. */
function reader(backpressure = 0): ItemReader<number | typeof STORED> {
  return new ItemReader(backpressure, (item) => item === STORED ? 0 : item);
}

function producer(options: Partial<ItemsRequest> = {}) {
  return new ItemProducer({ backpressure: 0, limit: null, from: 0, read: 0, wanted: null, ...options });
}

describe("item reader", () => {
  test("items are taken in the order in which they came", () => {
    const items = reader();
    expect(items.begin(0)).toEqual({ from: 0, read: 0 });
    for (const [index, size] of [10, 20, 30].entries()) expect(items.report(0, index, size)).toBe("unread");
    expect([items.take(), items.peek(), items.take(), items.take(), items.take()])
      .toEqual([10, 20, 20, 30, undefined]);
    items.check();
  });

  test("a further attempt begins with what is missing; what it repeats and what is late is known", () => {
    const items = reader();
    items.begin(0);
    items.report(0, 0, 1);
    items.report(0, 1, 2);
    items.take();
    expect(items.begin(1)).toEqual({ from: 2, read: 1 });
    expect(items.report(1, 0, 1)).toBe("repeated");
    expect(items.report(1, 1, 2)).toBe("repeated");
    // Of the attempt before, late: it might not be what this one makes.
    expect(items.report(0, 2, 99)).toBe("repeated");
    expect(items.report(1, 2, 3)).toBe("unread");
    expect([items.take(), items.take(), items.take()]).toEqual([2, 3, undefined]);
    items.check();
  });

  test("an item that cannot follow is refused", () => {
    const items = reader();
    items.begin(0);
    expect(() => items.report(0, 1, 1)).toThrow("item 1 came, 0 is the next one");
  });

  test("a producer that stands still hears of every read, one that does not after half of the limit", () => {
    const items = reader(4);
    items.begin(0);
    for (let index = 0; index < 2; index++) items.report(0, index, 1);
    items.take();
    expect(items.credit()).toBeNull();
    items.take();
    expect(items.credit()).toEqual({ items: 2, bytes: 2 + 2 * ITEM_OVERHEAD_BYTES });
    for (let index = 2; index < 6; index++) items.report(0, index, 1);
    items.take();
    expect(items.credit()?.items).toBe(3);
    expect(items.credit()).toBeNull();
    items.check();
  });

  test("reads that were not told are told when the rest of what it may make comes", () => {
    const items = reader(4);
    items.begin(0);
    items.report(0, 0, 1);
    items.take();
    expect(items.credit()).toBeNull();
    for (let index = 1; index < 4; index++) items.report(0, index, 1);
    expect(items.credit()?.items).toBe(1);
  });

  test("without a limit it hears of bytes, a quarter of the window at a time; stored items are none", () => {
    const items = reader();
    items.begin(0);
    const size = UNREAD_BYTES_MAX / 8;
    for (let index = 0; index < 3; index++) items.report(0, index, size);
    items.report(0, 3, STORED);
    items.take();
    expect(items.credit()).toBeNull();
    items.take();
    expect(items.credit()?.bytes).toBe(2 * (size + ITEM_OVERHEAD_BYTES));
    items.take();
    items.take();
    expect(items.credit()).toBeNull();
  });

  test("who has left gets what is unread back, then what comes late; the producer hears no more of reads", () => {
    const items = reader(1);
    items.begin(0);
    items.report(0, 0, 1);
    expect(items.leave()).toEqual([1]);
    expect(items.report(0, 1, 2)).toBe("unwanted");
    expect([items.take(), items.credit()]).toEqual([undefined, null]);
    items.check();
  });
});

describe("item producer", () => {
  test("it stands when so many items are unread, and goes on when one was read", () => {
    const items = producer({ backpressure: 2 });
    expect([items.next(), items.made(), items.next(), items.made(), items.next()])
      .toEqual(["make", 0, "make", 1, "stand"]);
    items.credited(1, 0);
    expect([items.next(), items.made(), items.next()]).toEqual(["make", 2, "stand"]);
    items.credited(1, 0); // Repeated.
    items.credited(0, 0); // Late.
    expect(items.next()).toBe("stand");
    items.check();
  });

  test("a repeated run makes what is there already without reporting it, or standing for it", () => {
    const items = producer({ backpressure: 1, from: 3, read: 2 });
    expect([items.made(), items.made(), items.made()]).toEqual([null, null, null]);
    expect(items.next()).toBe("stand");
    items.credited(3, 0);
    expect([items.next(), items.made()]).toEqual(["make", 3]);
    items.check();
  });

  test("a run for lost items makes those before them unreported, and nothing after the last", () => {
    const items = producer({ wanted: [1, 3] });
    expect([items.made(), items.made(), items.made(), items.next(), items.made(), items.next()])
      .toEqual([null, 1, null, "make", 3, "end"]);
    expect(items.hasSurplus).toBe(false);
    expect(producer({ wanted: [] }).next()).toBe("end");
    items.check();
  });

  test("one item beyond its refs is surplus, and the end", () => {
    const items = producer({ limit: 2 });
    expect([items.made(), items.made(), items.next(), items.made(), items.next()])
      .toEqual([0, 1, "make", null, "end"]);
    expect(items.hasSurplus).toBe(true);
    expect(producer({ limit: 0 }).made()).toBeNull();
  });

  test("once stopped it ends, also from where it stands, and what it still makes is not reported", () => {
    const items = producer({ backpressure: 1 });
    items.made();
    expect(items.next()).toBe("stand");
    items.stop();
    expect([items.next(), items.made(), items.isStopped]).toEqual(["end", null, true]);
  });

  test("inline items have room up to the window; one always has", () => {
    const items = producer();
    expect(items.hasRoom(UNREAD_BYTES_MAX * 2)).toBe(true);
    items.made();
    items.sent(UNREAD_BYTES_MAX - 2 * ITEM_OVERHEAD_BYTES - 10);
    expect([items.hasRoom(10), items.hasRoom(11)]).toEqual([true, false]);
    items.credited(1, UNREAD_BYTES_MAX - ITEM_OVERHEAD_BYTES - 10);
    expect(items.hasRoom(UNREAD_BYTES_MAX * 2)).toBe(true);
    items.check();
  });

  test("credit for what was never made or sent is refused", () => {
    const items = producer();
    items.made();
    items.sent(10);
    expect(() => items.credited(2, 0)).toThrow("2 items read, 1 made");
    expect(() => items.credited(1, 1_000)).toThrow("bytes read");
  });
});

/** One reader, one worker after the other, and what is on its way between them. */
class World {
  readonly prng: Prng;
  readonly total: number;
  readonly backpressure: number;
  readonly reader: ItemReader<number>;
  producer: ItemProducer;
  attempt = 0;
  reports: [attempt: number, index: number][] = [];
  /** Of attempts before: they may still come. */
  late: [attempt: number, index: number][] = [];
  credits: { attempt: number; items: number; bytes: number }[] = [];
  read: number[] = [];
  made = 0;
  isDone = false;

  constructor(seed: number) {
    this.prng = new Prng(seed);
    this.total = 1 + this.prng.below(40);
    this.backpressure = this.prng.below(6);
    this.reader = new ItemReader<number>(this.backpressure, sizeOf);
    this.producer = this.#begin();
  }

  #begin(): ItemProducer {
    const { from, read } = this.reader.begin(this.attempt);
    this.made = 0;
    return new ItemProducer({ backpressure: this.backpressure, limit: null, from, read, wanted: null });
  }

  /** True when it did something. */
  make(): boolean {
    if (this.isDone || this.producer.next() !== "make") return false;
    if (this.made === this.total) {
      this.isDone = true;
      return true;
    }
    const item = this.made++;
    const index = this.producer.made();
    if (index === null) return true;
    expect(index).toBe(item);
    this.producer.sent(sizeOf(item));
    this.reports.push([this.attempt, index]);
    return true;
  }

  crash(): void {
    this.late.push(...this.reports.splice(0));
    this.attempt++;
    this.isDone = false;
    this.producer = this.#begin();
  }

  deliver(): boolean {
    const stale = this.late.shift();
    if (stale !== undefined) expect(this.reader.report(...stale, stale[1])).toBe("repeated");
    const report = this.reports.shift();
    if (report === undefined) return stale !== undefined;
    expect(this.reader.report(...report, report[1])).toBe("unread");
    if (this.backpressure > 0) expect(this.reader.unread).toBeLessThanOrEqual(this.backpressure);
    this.tell();
    return true;
  }

  take(): boolean {
    const item = this.reader.take();
    if (item === undefined) return false;
    this.read.push(item);
    this.tell();
    return true;
  }

  tell(): void {
    const credit = this.reader.credit();
    if (credit !== null) this.credits.push({ attempt: this.attempt, ...credit });
  }

  hear(): boolean {
    const credit = this.credits.shift();
    if (credit === undefined) return false;
    if (credit.attempt === this.attempt) this.producer.credited(credit.items, credit.bytes);
    return true;
  }

  check(): void {
    this.reader.check();
    this.producer.check();
  }
}

function sizeOf(item: number): number {
  return 1 + item * 7 % 100;
}

test("500 worlds of crashes and late messages: every item is read once and in order", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  for (let n = 0; n < 500; n++) {
    const world = new World(seed + n);
    const { prng } = world;
    const steps = [() => world.make(), () => world.deliver(), () => world.take(), () => world.hear()];
    for (let step = 0; step < 300; step++) {
      if (world.attempt < 5 && prng.below(50) === 0) world.crash();
      else steps[prng.below(4)]!();
      world.check();
    }
    // From here on nothing is lost: whatever can happen happens, until nothing can.
    while (steps.map((step) => step()).includes(true)) world.check();
    const all = Array.from({ length: world.total }, (_, index) => index);
    expect(world.read, `seed ${seed + n}`).toEqual(all);
  }
});
