/** The hash that code goes by equals the runtime's own, for whatever is hashed. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { sha256Hex } from "../../runtime/common/sha256.ts";

const own = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("texts of every length around the block's borders have the known hash", () => {
  for (let length = 0; length < 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + length);
    expect(sha256Hex(bytes)).toBe(own(bytes));
  }
  expect(sha256Hex("")).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

test("parts count as one text, and text as UTF-8", () => {
  expect(sha256Hex("a ƒ ", new Uint8Array([1, 2]), "𝛌")).toBe(
    createHash("sha256").update("a ƒ ").update(new Uint8Array([1, 2])).update("𝛌").digest("hex"),
  );
});

test("a megabyte is hashed right", () => {
  const bytes = new Uint8Array(1 << 20).fill(7);
  expect(sha256Hex(bytes)).toBe(own(bytes));
});
