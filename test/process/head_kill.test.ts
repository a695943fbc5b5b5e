/**
 * kill -9 of the head again and again, at random moments, while clients write: nothing that was acknowledged is missing, and
 * nothing that was removed comes back. A failing run is repeated with its seed: MOBULA_TEST_SEED=… bun test <this file>.
 * @module
 */
import { expect, test } from "bun:test";
import { Prng } from "../../runtime/common/prng.ts";
import { type Link, TestHead } from "./head_fixture.ts";

const SEED = Number(process.env.MOBULA_TEST_SEED ?? 20261123);
const KILLS = process.env.MOBULA_TEST_ALL === "1" ? 100 : 6;
const CLIENTS = 4;

/** What one client was told; what it asked and was not told is unknown. */
class Client {
  readonly id: string;
  readonly #prng: Prng;
  /** Keys that are there, with their values; keys that are gone. */
  readonly present: Map<string, string> = new Map();
  readonly gone: Set<string> = new Set();
  #sequence = 0;

  constructor(id: string, seed: number) {
    this.id = id;
    this.#prng = new Prng(seed);
  }

  /** Ask one thing after the other until the head is gone; `onAnswer` after each answer. */
  async work(link: Link, onAnswer: () => void): Promise<void> {
    for (;;) {
      const key = `${this.id}/${this.#prng.below(50)}`;
      const removes = this.#prng.chance(30);
      const value = String(this.#sequence++);
      try {
        if (removes) await link.request("kvDelete", { key });
        else await link.request("kvPut", { key, overwrite: true }, [new TextEncoder().encode(value)]);
      } catch {
        // Not answered: it may have happened or not.
        this.present.delete(key);
        this.gone.delete(key);
        return;
      }
      if (removes) {
        this.present.delete(key);
        this.gone.add(key);
      } else {
        this.present.set(key, value);
        this.gone.delete(key);
      }
      onAnswer();
    }
  }
}

/** All clients at work; resolves when the head is to be killed: at any moment once they have had so many answers in all. */
async function workUntil(
  answers: number,
  momentMs: number,
  work: (onAnswer: () => void) => Promise<void>[],
): Promise<Promise<void>[]> {
  const enough = Promise.withResolvers<void>();
  let left = answers;
  const working = work(() => --left === 0 && enough.resolve());
  await Promise.race([enough.promise, Promise.all(working)]);
  expect(left).toBeLessThanOrEqual(0);
  await new Promise((resolve) => setTimeout(resolve, momentMs));
  return working;
}

test(
  `${KILLS} kills of the head lose nothing that was acknowledged and bring nothing back (seed ${SEED})`,
  async () => {
    const prng = new Prng(SEED);
    const clients = Array.from(
      { length: CLIENTS },
      (_, index) => new Client(`client${index}`, prng.uint32()),
    );
    await using head = new TestHead();
    for (let kill = 0; kill < KILLS; kill++) {
      await head.start();
      const links = await Promise.all(clients.map((client) => head.join(`n-${client.id}`)));
      const work = (onAnswer: () => void): Promise<void>[] =>
        clients.map((client, index) => client.work(links[index]!, onAnswer));
      const working = await workUntil(prng.between(20, 150), prng.between(0, 5), work);
      await head.kill();
      await Promise.all(working);
    }
    await head.start();
    const link = await head.join("n-last");
    const { keys } = (await link.request("kvList", { prefix: "" })).result;
    let acknowledged = 0;
    for (const { present, gone } of clients) {
      for (const [key, value] of present) {
        const { sections } = await link.request("kvGet", { key });
        expect([key, new TextDecoder().decode(sections[0])]).toEqual([key, value]);
      }
      for (const key of gone) expect([key, keys.includes(key)]).toEqual([key, false]);
      acknowledged += present.size + gone.size;
    }
    expect(acknowledged).toBeGreaterThan(50);
  },
  20_000 + KILLS * 2_000,
);
