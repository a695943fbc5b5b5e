/** A range over several connections: every part once, whoever breaks, and no second connection before the first is served. */
import { expect, test } from "bun:test";
import type { ObjectId } from "../../../runtime/common/ids.ts";
import { Prng } from "../../../runtime/common/prng.ts";
import { type ByteRange, RANGE_BYTES } from "../../../runtime/core/object/pull_ranges.ts";
import { IncomingObject } from "../../../runtime/io/store/incoming_object.ts";
import { fetchRange, type RangeFetch } from "../../../runtime/io/store/range_fetch.ts";
import { rejection } from "../../support/processes.ts";

const PARTS = 7;
const BYTES = PARTS * RANGE_BYTES - 5;
const MB = 1024 * 1024;

function object(): { incoming: IncomingObject; all: ByteRange } {
  return { incoming: new IncomingObject("o-x-1" as ObjectId, BYTES), all: { offset: 0, length: BYTES } };
}

/** One chunk of a run that began at `from`. */
function chunk(incoming: IncomingObject, from: number, at: number, length: number): void {
  expect(incoming.receive(at, length)).toBe(true);
  incoming.checked(from, at + length);
}

const signal = new AbortController().signal;

test("the first connection asks for one part, the others begin with its first bytes; one alone asks for all", async () => {
  const { incoming, all } = object();
  const runs: string[] = [];
  let open = 0;
  let most = 0;
  const fetch: RangeFetch["fetch"] = async ({ offset, length }, lane, began) => {
    runs.push(`${lane}: ${offset / RANGE_BYTES}`);
    most = Math.max(most, ++open);
    await Promise.resolve();
    if (runs.length === 1) expect(lane).toBe(0);
    chunk(incoming, offset, offset, MB);
    began();
    await new Promise((resolve) => setImmediate(resolve));
    chunk(incoming, offset, offset + MB, length - MB);
    open--;
  };
  await fetchRange({ incoming, range: all, lanes: 3, signal, fetch });
  expect(incoming.isComplete).toBe(true);
  expect(most).toBe(3);
  expect(runs.map((run) => run.slice(3)).sort()).toEqual(Array.from({ length: PARTS }, (_, n) => `${n}`));
  const alone = object();
  const asked: ByteRange[] = [];
  const sendAll: RangeFetch["fetch"] = (run) => {
    asked.push(run);
    chunk(alone.incoming, run.offset, run.offset, run.length);
    return Promise.resolve();
  };
  alone.incoming.checked(0, 3 * MB);
  await fetchRange({ incoming: alone.incoming, range: alone.all, lanes: 1, signal, fetch: sendAll });
  expect(asked).toEqual([{ offset: 3 * MB, length: BYTES - 3 * MB }]);
});

test("a refusal opens no further connection, and is what the transfer fails with", async () => {
  const { incoming, all } = object();
  let asked = 0;
  const fetch: RangeFetch["fetch"] = () => {
    asked++;
    return Promise.reject(new Error("not here"));
  };
  const error = await rejection(fetchRange({ incoming, range: all, lanes: 4, signal, fetch }));
  expect(error.message).toBe("not here");
  expect(asked).toBe(1);
});

test("what a broken connection did not send comes over the others, from its last good byte on", async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
  console.log(`range_fetch.test seed ${seed}`);
  const prng = new Prng(seed);
  let completed = 0;
  for (let round = 0; round < 200; round++) {
    const { incoming, all } = object();
    const sending = new Set<number>();
    const fetch: RangeFetch["fetch"] = async ({ offset, length }, _lane, began) => {
      const part = Math.floor(offset / RANGE_BYTES);
      expect(sending.has(part)).toBe(false);
      sending.add(part);
      try {
        for (let at = offset; at < offset + length;) {
          if (prng.below(100) < 3) throw new Error("cut");
          if (prng.chance(30)) await Promise.resolve();
          const size = Math.min(4 * MB, offset + length - at);
          expect(incoming.receive(at, size)).toBe(true);
          began();
          if (prng.below(100) < 2) throw new Error("wrong checksum");
          incoming.checked(offset, at += size);
        }
      } finally {
        sending.delete(part);
      }
    };
    for (let tries = 0; !incoming.isComplete; tries++) {
      expect(tries).toBeLessThan(50);
      await fetchRange({ incoming, range: all, lanes: 1 + prng.below(5), signal, fetch }).then(
        () => expect(incoming.isComplete).toBe(true),
        (error: Error) => expect(error.message).toMatch(/cut|wrong checksum/),
      );
      expect(incoming.arrivedBytes).toBe(incoming.goodBytes(all));
    }
    completed++;
  }
  expect(completed).toBe(200);
});

test("an abort ends it: nothing more is asked for", async () => {
  const { incoming, all } = object();
  const abort = new AbortController();
  let asked = 0;
  const fetch: RangeFetch["fetch"] = (run, _lane, began) => {
    asked++;
    began();
    if (asked === 2) abort.abort();
    if (abort.signal.aborted) return Promise.reject(new Error("aborted"));
    chunk(incoming, run.offset, run.offset, run.length);
    return Promise.resolve();
  };
  await fetchRange({ incoming, range: all, lanes: 2, signal: abort.signal, fetch });
  expect(asked).toBe(2);
});
