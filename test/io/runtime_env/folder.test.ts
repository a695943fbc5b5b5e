/** Folders packed and unpacked: what travels, what does not, and archives that somebody made on purpose. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { deflateSync } from "node:zlib";
import { RuntimeEnvSetupError } from "../../../runtime/common/errors.ts";
import {
  CHUNK_BYTES,
  encodeManifest,
  FOLDER_LIMITS,
  type FolderEntry,
  type Manifest,
  sha256,
} from "../../../runtime/io/runtime_env/manifest.ts";
import { readChunks, scanFolder, type ScannedFolder } from "../../../runtime/io/runtime_env/pack_folder.ts";
import { type PackedSource, unpackFolder } from "../../../runtime/io/runtime_env/unpack_folder.ts";
import { rejection } from "../../support/processes.ts";

let base = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "mobula-folder-"));
});
afterEach(() => {
  rmSync(base, { recursive: true, force: true });
});

function write(path: string, text: string | Uint8Array = path): void {
  const full = join(base, "from", path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
}

function scan(excludes: string[] = [], limits = FOLDER_LIMITS): ScannedFolder {
  const steps = scanFolder({ path: join(base, "from"), excludes }, limits);
  for (;;) {
    const step = steps.next();
    if (step.done) return step.value;
  }
}

function names(excludes?: string[]): string[] {
  return scan(excludes).manifest.entries.map(([path]) => path);
}

function sourceOf({ root, manifest, text, hash }: ScannedFolder): PackedSource {
  const chunks = new Map<string, Uint8Array>();
  for (const chunk of readChunks(root, manifest.entries)) chunks.set(sha256(chunk), deflateSync(chunk));
  return {
    manifest: (asked) => Promise.resolve(asked === hash ? deflateSync(text) : new Uint8Array(0)),
    chunk: (asked) => Promise.resolve(chunks.get(asked)!),
  };
}

/** An archive with this manifest, whatever it says. */
function forged(manifest: unknown, chunks: Uint8Array[] = []): { hash: string; source: PackedSource } {
  const text = typeof manifest === "string"
    ? new TextEncoder().encode(manifest)
    : encodeManifest(manifest as Manifest);
  const byHash = new Map(chunks.map((chunk) => [sha256(chunk), deflateSync(chunk)]));
  return {
    hash: sha256(text),
    source: {
      manifest: () => Promise.resolve(deflateSync(text)),
      chunk: (hash) => Promise.resolve(byHash.get(hash) ?? new Uint8Array(0)),
    },
  };
}

function forgedFiles(entries: FolderEntry[], content = ""): { hash: string; source: PackedSource } {
  const bytes = new TextEncoder().encode(content);
  const chunks: [string, number][] = bytes.length === 0 ? [] : [[sha256(bytes), bytes.length]];
  return forged({ format: 1, entries, chunks }, [bytes]);
}

async function refusal({ hash, source }: { hash: string; source: PackedSource }): Promise<string> {
  const error = await rejection(unpackFolder(hash, source, join(base, "to", "folder")));
  expect(error).toBeInstanceOf(RuntimeEnvSetupError);
  return (error as Error).message;
}

/** Everything below the test's folder, to see that nothing was written elsewhere. */
function listing(): string[] {
  return readdirSync(base, { recursive: true, encoding: "utf8" }).sort();
}

describe("packing", () => {
  test("files, programs and empty folders arrive as they are", async () => {
    write("a/b/c.txt", "deep");
    write("empty.txt", "");
    write("large.bin", new Uint8Array(3 * CHUNK_BYTES + 5).map((_, index) => index * 7 + (index >> 9)));
    write("run.sh", "#!/bin/sh");
    write("zz.txt", "");
    chmodSync(join(base, "from", "run.sh"), 0o755);
    mkdirSync(join(base, "from", "hollow", "inner"), { recursive: true });
    const packed = scan();
    const target = join(base, "to");
    const bytes = await unpackFolder(packed.hash, sourceOf(packed), target);
    expect(bytes).toBe(3 * CHUNK_BYTES + 5 + 4 + 9);
    execFileSync("diff", ["-r", join(base, "from"), target]);
    expect(statSync(join(target, "run.sh")).mode & 0o777).toBe(0o700);
    expect(statSync(join(target, "zz.txt")).mode & 0o777).toBe(0o600);
    expect(statSync(join(target, "hollow/inner")).mode & 0o777).toBe(0o700);
  });

  test("equal files have the same hash wherever and whenever they were written, other ones do not", () => {
    write("x.txt");
    write("y/z.txt");
    const { hash } = scan();
    rmSync(join(base, "from"), { recursive: true });
    write("y/z.txt");
    write("x.txt");
    expect(scan().hash).toBe(hash);
    write("x.txt", "other");
    expect(scan().hash).not.toBe(hash);
    write("x.txt");
    chmodSync(join(base, "from", "x.txt"), 0o755);
    expect(scan().hash).not.toBe(hash);
  });

  test(".git and node_modules stay behind unless asked for; .gitignore files and excludes count", () => {
    for (const path of [".git/HEAD", "node_modules/p/index.js", "src/node_modules/q.js"]) write(path);
    write(".gitignore", "*.log\n/dist/\n");
    write("src/.gitignore", "!keep.log\n*.tmp\n");
    for (const path of ["a.log", "dist/x", "src/dist/x", "src/keep.log", "src/x.tmp", "x.tmp", "data/d"]) {
      write(path);
    }
    const own = [
      ".gitignore",
      "data",
      "data/d",
      "src",
      "src/.gitignore",
      "src/dist",
      "src/dist/x",
      "src/keep.log",
    ];
    expect(names()).toEqual([...own, "x.tmp"]);
    expect(names(["data/", "*.tmp"])).toEqual(own.filter((path) => !path.startsWith("data")));
    expect(names(["*", "!node_modules/", "!node_modules/**"])).toEqual([
      "node_modules",
      "node_modules/p",
      "node_modules/p/index.js",
    ]);
  });

  test("links, sockets and the like are refused by name, and can be excluded", () => {
    write("a.txt");
    symlinkSync("/etc/passwd", join(base, "from", "link"));
    execFileSync("mkfifo", [join(base, "from", "pipe")]);
    expect(() => scan(["pipe"])).toThrow(
      "link is a symbolic link and cannot travel; put it into runtimeEnv.excludes",
    );
    expect(() => scan(["link"])).toThrow("pipe is no plain file");
    expect(names(["link", "pipe"])).toEqual(["a.txt"]);
  });

  test("names that are one where case does not count are refused, both named", () => {
    write("Read.md");
    write("read.MD");
    expect(() => scan()).toThrow('"Read.md" and "read.MD" are one name where case does not count');
    expect(names(["Read.md"])).toEqual(["read.MD"]);
    write("caf\u00e9");
    write("cafe\u0301");
    expect(() => scan(["Read.md"])).toThrow("are one name");
  });

  test("what is missing, a file, or beyond a limit is refused with what to do", () => {
    expect(() => scan()).toThrow(`workingDir ${base}/from is missing`);
    writeFileSync(join(base, "from"), "");
    expect(() => scan()).toThrow(`workingDir ${base}/from is not a folder`);
    rmSync(join(base, "from"));
    for (let index = 0; index < 5; index++) write(`f${index}`, "x".repeat(100 * index));
    expect(() => scan([], { ...FOLDER_LIMITS, entries: 4 })).toThrow(
      "more than 4 files and folders: exclude some",
    );
    expect(() => scan([], { ...FOLDER_LIMITS, bytes: 500 })).toThrow(
      "its files have more than 500 bytes; its largest files: f4 (400), f3 (300), f2 (200). Exclude what is not",
    );
  });
});

describe("hostile archives", () => {
  const OUTSIDE = [
    "../evil",
    "a/../../evil",
    "/evil",
    "//evil",
    "..",
    ".",
    "./evil",
    "a/./b",
    "a//b",
    "a/",
    "",
    "a/..",
    "..\\evil",
    "a\\..\\..\\evil",
    "C:\\evil",
    "evil\0.txt",
    "evil\n",
    "\x7f",
    "a/\ud800/b",
    "\ufffd",
    "x/".repeat(70) + "x",
    "n".repeat(256),
    "d/".repeat(3) + "n".repeat(1100),
  ];

  test("no path leads outside, and nothing at all is written", async () => {
    mkdirSync(join(base, "to"));
    const before = listing();
    for (const path of OUTSIDE) {
      for (const kind of ["f", "d", "x"] as const) {
        const { hash, source } = forgedFiles([["ok.txt", "f", 0], [path, kind, 0]]);
        expect(await refusal({ hash, source })).toContain("The folder is refused: ");
        expect(listing()).toEqual(before);
      }
    }
  });

  test("thousands of spellings of a way out are refused, or are plain names inside", async () => {
    const dots = [
      "..",
      ".",
      "%2e%2e",
      "..%00",
      "\u2025",
      "..;",
      "...",
      ".. ",
      "..\u200b",
      "\uff0e\uff0e",
      "~",
      "$HOME",
    ];
    const slashes = ["/", "\\", "%2f", "\u2215", "//", "/./"];
    let refused = 0;
    let written = 0;
    for (const first of dots) {
      for (const second of dots) {
        for (const slash of slashes) {
          for (const prefix of ["", "/", "a/"]) {
            const path = `${prefix}${first}${slash}${second}/evil`;
            const { hash, source } = forgedFiles([[path, "f", 4]], "evil");
            const target = join(base, "to");
            await unpackFolder(hash, source, target).then(() => written++, () => refused++);
            expect(readdirSync(base).filter((name) => name !== "to")).toEqual([]);
            if (existsSync(target)) {
              const inside = readdirSync(target, { recursive: true, encoding: "utf8" });
              expect(inside).toContain(path);
              rmSync(target, { recursive: true });
            }
          }
        }
      }
    }
    expect(refused + written).toBe(12 * 12 * 6 * 3);
    expect(refused).toBeGreaterThan(1_000);
  });

  test("duplicates, collisions, and files with something below them are refused", async () => {
    mkdirSync(join(base, "to"));
    const twice: [FolderEntry[], string][] = [
      [[["a", "f", 0], ["a", "f", 0]], "is there twice"],
      [[["a", "d", 0], ["a", "d", 0]], "is there twice"],
      [[["a", "f", 0], ["A", "f", 0]], "are one name"],
      [[["a/x", "f", 0], ["A/y", "f", 0]], "are one name"],
      [[["\u00e9", "f", 0], ["e\u0301", "f", 0]], "are one name"],
      [[["a", "f", 0], ["a/b", "f", 0]], "is a file and a folder"],
      [[["a/b", "f", 0], ["a", "f", 0]], "is a file and a folder"],
    ];
    for (const [entries, why] of twice) expect(await refusal(forgedFiles(entries))).toContain(why);
    expect(listing()).toEqual(["to"]);
  });

  test("links, devices, odd sizes and other nonsense have no place in the format", async () => {
    mkdirSync(join(base, "to"));
    const nonsense: unknown[] = [
      "",
      "{",
      "null",
      "[]",
      '{"format":2,"entries":[],"chunks":[]}',
      '{"format":1,"entries":{},"chunks":[]}',
      '{"format":1,"entries":[["a","l",0]],"chunks":[]}',
      '{"format":1,"entries":[["a","f",-1]],"chunks":[]}',
      '{"format":1,"entries":[["a","f",0.5]],"chunks":[]}',
      '{"format":1,"entries":[["a","d",1]],"chunks":[]}',
      '{"format":1,"entries":[["a","f",9007199254740993]],"chunks":[]}',
      '{"format":1,"entries":[["a","f"]],"chunks":[]}',
      '{"format":1,"entries":[[{},"f",0]],"chunks":[]}',
      '{"format":1,"entries":["a"],"chunks":[]}',
      '{"format":1,"entries":[["a","f",1]],"chunks":[]}',
      '{"format":1,"entries":[["a","f",1]],"chunks":[["../../x",1]]}',
      `{"format":1,"entries":[["a","f",1]],"chunks":[["${"0".repeat(64)}",2]]}`,
      `{"format":1,"entries":[],"chunks":[["${"0".repeat(64)}",0]]}`,
      '{"format":1,"entries":[["__proto__","f",0],["__proto__","f",0]],"chunks":[]}',
    ];
    for (const text of nonsense) expect(await refusal(forged(text))).toContain("The folder is refused: ");
    expect(listing()).toEqual(["to"]);
  });

  test("wrong, truncated and swapped bytes are noticed", async () => {
    mkdirSync(join(base, "to"));
    const good = forgedFiles([["a", "f", 4]], "good");
    const chunk = await good.source.chunk(sha256(new TextEncoder().encode("good")));
    const text = await good.source.manifest(good.hash);
    const wrong = [
      deflateSync("evil"),
      deflateSync("goo"),
      chunk.slice(0, -3),
      chunk.slice(0, 3),
      new Uint8Array(0),
    ];
    for (const bytes of wrong) {
      await refusal({ hash: good.hash, source: { ...good.source, chunk: () => Promise.resolve(bytes) } });
      rmSync(join(base, "to", "folder"), { recursive: true, force: true });
    }
    for (const bytes of [text.slice(0, -3), deflateSync("{}"), new Uint8Array(9)]) {
      await refusal({ hash: good.hash, source: { ...good.source, manifest: () => Promise.resolve(bytes) } });
    }
    expect(await refusal({ ...good, hash: sha256(new Uint8Array(1)) })).toContain("not the one of its hash");
    expect(await unpackFolder(good.hash, good.source, join(base, "to", "folder"))).toBe(4);
    expect(readFileSync(join(base, "to/folder/a"), "utf8")).toBe("good");
  });

  test("bombs are refused in bounded time and memory, a million entries too", async () => {
    mkdirSync(join(base, "to"));
    const started = performance.now();
    const rssBefore = process.memoryUsage().rss;
    // A manifest, and a chunk, that inflate to far more than they may.
    const huge = deflateSync(new Uint8Array(200 << 20), { level: 1 });
    const { hash, source } = forgedFiles([["a", "f", 4]], "good");
    expect(await refusal({ hash, source: { ...source, manifest: () => Promise.resolve(huge) } })).toContain(
      "unpacked",
    );
    expect(await refusal({ hash, source: { ...source, chunk: () => Promise.resolve(huge) } })).toContain(
      "unpacked",
    );
    // Ten thousand gigabytes of the same chunk.
    const zeros = new Uint8Array(CHUNK_BYTES);
    const row = [sha256(zeros), CHUNK_BYTES];
    const chunks = Array.from({ length: 40 }, () => row);
    const dense = forged({ format: 1, entries: [["z", "f", 40 * CHUNK_BYTES]], chunks }, [zeros]);
    rmSync(join(base, "to", "folder"), { recursive: true, force: true });
    expect(await refusal(dense)).toContain("more than 200 to one");
    expect(statSync(join(base, "to", "folder", "z")).size).toBeLessThan(20 * CHUNK_BYTES);
    expect(await refusal(forged({ format: 1, entries: [["z", "f", 1e13]], chunks: [] }))).toContain(
      "more than",
    );
    const many = Array.from({ length: 1_000_000 }, (_, index) => [`${index}`, "f", 0]);
    expect(await refusal(forged({ format: 1, entries: many, chunks: [] }))).toMatch(
      /1000000 files|cannot be unpacked/,
    );
    expect(performance.now() - started).toBeLessThan(15_000);
    expect(process.memoryUsage().rss - rssBefore).toBeLessThan(1 << 30);
  });
});
