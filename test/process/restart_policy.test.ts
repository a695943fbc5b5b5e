/** When a dead process is started again. */
import { expect, test } from "bun:test";
import { RESTART_WINDOW_MS, RestartPolicy } from "../../runtime/process/restart_policy.ts";

test("the first death is answered at once, the next ones later and later, the sixth not at all", () => {
  const policy = new RestartPolicy();
  expect([0, 1, 2, 3, 4, 5].map((ms) => policy.died(ms))).toEqual([0, 100, 200, 400, 800, null]);
});

test("deaths that are far apart are answered for ever", () => {
  const policy = new RestartPolicy();
  for (let i = 0; i < 100; i++) expect(policy.died(i * RESTART_WINDOW_MS)).toBe(0);
});

test("a slow loop is not a fast one: five in any window", () => {
  const policy = new RestartPolicy();
  const delays = Array.from({ length: 20 }, (_, i) => policy.died(i * (RESTART_WINDOW_MS / 5)));
  expect(delays).not.toContain(null);
  expect(delays.slice(5)).toEqual(delays.slice(5).map(() => 800));
});
