/** Working directories of a node: unpacked once while they are kept, the unused ones to a limit, failures tried again. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { RuntimeEnvSetupError } from "../../runtime/common/errors.ts";
import { encodeManifest, sha256 } from "../../runtime/io/runtime_env/manifest.ts";
import { Environments } from "../../runtime/process/agent_environments.ts";
import { rejection } from "../support/processes.ts";

const dir = mkdtempSync(join(tmpdir(), "mobula-envs-"));
afterAll(() => rmSync(dir, { recursive: true }));

const parts = new Map<string, Uint8Array>();
const asked: string[] = [];
let away = false;

function fetch(hash: string): Promise<Uint8Array> {
  asked.push(hash);
  const part = parts.get(hash);
  return away || part === undefined ? Promise.reject(new Error("the head is away")) : Promise.resolve(part);
}

/** A folder with one file of this text; answers its hash. */
function folder(text: string): string {
  const bytes = new TextEncoder().encode(text);
  const manifest = encodeManifest({
    format: 1,
    entries: [["f", "f", bytes.length]],
    chunks: [[sha256(bytes), bytes.length]],
  });
  parts.set(sha256(bytes), deflateSync(bytes));
  parts.set(sha256(manifest), deflateSync(manifest));
  return sha256(manifest);
}

test("folders are unpacked once for all who use them, kept to a limit when unused, the oldest go first", async () => {
  const environments = new Environments({
    dir: join(dir, "a"),
    source: { manifest: fetch, chunk: fetch },
    unusedBytesMax: 250,
  });
  const [one, two, three] = ["1", "2", "3"].map((digit) => folder(digit.repeat(100))) as [
    string,
    string,
    string,
  ];
  const paths = await Promise.all([one, one, two, three].map((hash) => environments.acquire(hash)));
  expect(asked.length).toBe(6);
  expect(paths[0]).toBe(paths[1]!);
  expect(readFileSync(join(paths[2]!, "f"), "utf8")).toBe("2".repeat(100));
  for (const hash of [two, one, three]) environments.release(hash);
  // `one` is in use still; the other two are within the limit.
  expect(paths.map(existsSync)).toEqual([true, true, true, true]);
  environments.release(one);
  expect(paths.map(existsSync)).toEqual([true, true, false, true]);
  expect(await environments.acquire(three)).toBe(paths[3]!);
  expect(asked.length).toBe(6);
  expect(await environments.acquire(two)).toBe(paths[2]!);
  expect(asked.length).toBe(8);
  expect(readdirSync(join(dir, "a")).some((name) => name.startsWith("part-"))).toBe(false);
});

test("a failure is told to all who wait, leaves nothing, and the next one tries again", async () => {
  const environments = new Environments({ dir: join(dir, "b"), source: { manifest: fetch, chunk: fetch } });
  const hash = folder("later");
  away = true;
  const errors = await Promise.all([1, 2].map(() => rejection(environments.acquire(hash))));
  expect(errors.map(({ message }) => message)).toEqual(["the head is away", "the head is away"]);
  expect(readdirSync(join(dir, "b"))).toEqual([]);
  away = false;
  expect(readFileSync(join(await environments.acquire(hash), "f"), "utf8")).toBe("later");
  for (const bad of ["", "../../x", "a".repeat(63), `${"a".repeat(63)}/`]) {
    expect(await rejection(environments.acquire(bad))).toBeInstanceOf(RuntimeEnvSetupError);
  }
});
