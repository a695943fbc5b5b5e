/** Lines that many workers print alike are shown once and counted. */
import { expect, test } from "bun:test";
import {
  DEDUP_WINDOW_MS,
  type DedupLine,
  LineDedup,
  patternOf,
} from "../../../runtime/core/logs/line_dedup.ts";

const line = (worker: number, text: string, level: DedupLine["level"] = "info"): DedupLine => ({
  worker: `w-${worker}`,
  prefix: `(${worker}) `,
  text,
  level,
});

function dedup() {
  const machine = new LineDedup();
  const shown: string[] = [];
  const show = ({ text, repeated }: { text: string; repeated: number }): void =>
    void shown.push(repeated === 0 ? text : `${text} x${repeated}`);
  return { machine, shown, show };
}

test("of a hundred workers that say the same, the first is shown and the others are counted", () => {
  const { machine, shown, show } = dedup();
  for (let i = 0; i < 100; i++) machine.line(1_000 + i, line(i, `ready in ${i} ms`), show);
  expect(shown).toEqual(["ready in 0 ms"]);
  expect(machine.dueMs).toBe(1_000 + DEDUP_WINDOW_MS);
  machine.due(1_000 + DEDUP_WINDOW_MS - 1, show);
  expect(shown.length).toBe(1);
  machine.due(1_000 + DEDUP_WINDOW_MS, show);
  expect(shown).toEqual(["ready in 0 ms", "ready in 99 ms x99"]);
  expect(machine.dueMs).toBeNull();
});

test("numbers alone, errors, and what one worker repeats are never held back", () => {
  const { machine, shown, show } = dedup();
  for (let i = 0; i < 3; i++) {
    machine.line(0, line(i, `${i}.5`), show);
    machine.line(0, line(i, `failed ${i}`, "error"), show);
    machine.line(0, line(7, `step ${i}`), show);
  }
  expect(shown.length).toBe(9);
  machine.flush(show);
  expect(shown.length).toBe(9);
});

test("a line that one other worker repeats is shown as it is; flushing shows what is held back", () => {
  const { machine, shown, show } = dedup();
  machine.line(0, line(1, "a 1"), show);
  machine.line(0, line(2, "a 2"), show);
  machine.line(0, line(1, "b"), show);
  machine.flush(show);
  expect(shown).toEqual(["a 1", "b", "a 2"]);
  expect(patternOf("a 0xff 3.5")).toBe("a 0 0");
});

test("what is remembered is bounded", () => {
  const { machine, shown, show } = dedup();
  const word = (i: number): string => [...String(i)].map((digit) => "abcdefghij"[Number(digit)]).join("");
  for (let i = 0; i < 3_000; i++) machine.line(0, line(1, word(i)), show);
  machine.line(0, line(2, word(0)), show);
  machine.line(0, line(2, word(2_999)), show);
  // The first pattern was forgotten, so that it counts as new.
  expect(shown.length).toBe(3_001);
});
