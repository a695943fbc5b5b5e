/** Resources in units, and as people read them. */
import { expect, test } from "bun:test";
import {
  addResources,
  describeAmount,
  describeLack,
  describeResources,
  fromUnits,
  isUnits,
  toUnits,
} from "../../runtime/common/resources.ts";

test("memory is told in binary units; everything else as it was asked for", () => {
  expect(describeResources(toUnits({ CPU: 0.4, memory: 17_693_551_411 }))).toBe("CPU 0.4, memory 16.5 GiB");
  expect(describeResources({})).toBe("nothing");
  expect(describeLack("memory", 2 ** 41, 2 ** 34)).toBe("memory 2.00 TiB (has 16.0 GiB)");
  expect(describeLack("memory", 2 ** 34 + 1, 2 ** 34)).toBe("memory 17179869185 (has 17179869184)");
  const memory = (quantity: number): string =>
    describeAmount("memory", toUnits({ memory: quantity })["memory"] ?? 0);
  expect([0, 1_000, 2 ** 20, 64 * 2 ** 20, 512 * 2 ** 20].map(memory))
    .toEqual(["0 B", "0.98 KiB", "1.00 MiB", "64.0 MiB", "512 MiB"]);
});

test("bytes are whole, up to 8 PiB; the rest has four decimals; beyond, the message says what may be", () => {
  const most = { memory: 8 * 2 ** 50, object_store_memory: 2 ** 53 - 1, CPU: 0.0001, disk: 900_719_925_474 };
  const units = toUnits(most);
  expect(fromUnits(units)).toEqual(most);
  expect(Object.values(units).every(isUnits)).toBe(true);
  // What is taken away in odd parts comes back to the byte.
  const free = { ...units };
  const part = toUnits({ memory: 2 ** 50 + 1, CPU: 0.0001 });
  for (let i = 0; i < 7; i++) addResources(free, part, -1);
  for (let i = 0; i < 7; i++) addResources(free, part);
  expect(free).toEqual(units);
  expect(toUnits({ memory: 0.5, CPU: 0.00004 })).toEqual({ memory: 1 });
  expect(() => toUnits({ memory: 2 ** 53 + 2 })).toThrow(
    "memory must be at most 9007199254740992 bytes (8 PiB), is",
  );
  expect(() => toUnits({ disk: 1e12 })).toThrow(
    new RangeError("disk must be at most 900719925474, is 1000000000000: count it in a larger unit"),
  );
  expect([NaN, -1, 0.5, 2 ** 54, "1", null].filter(isUnits)).toEqual([]);
});
