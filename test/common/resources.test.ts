/** Resources as people read them. */
import { expect, test } from "bun:test";
import { describeAmount, describeResources, toUnits } from "../../runtime/common/resources.ts";

test("memory is told in GiB, MiB or bytes; everything else as it was asked for", () => {
  expect(describeResources(toUnits({ CPU: 0.4, memory: 17_693_551_411 }))).toBe("CPU 0.4, memory 16.48 GiB");
  expect(describeResources({})).toBe("nothing");
  const memory = (quantity: number): string =>
    describeAmount("memory", toUnits({ memory: quantity })["memory"] ?? 0);
  expect([0, 1_000, 2 ** 20, 64 * 2 ** 20, 512 * 2 ** 20].map(memory))
    .toEqual(["0 B", "1000 B", "1 MiB", "64 MiB", "0.5 GiB"]);
});
