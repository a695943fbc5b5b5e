/**
 * Style that is executable: layers, cycles, purity of the core, sizes and headers. It reads the sources as text with a
 * small scanner (test/support/source_scan.ts) that knows strings, comments and braces, and no more.
 */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { blank, functionsOf, importsOf, type SourceFile, sourceFiles } from "./support/source_scan.ts";
import { breachesOf, findCycle } from "./support/layers.ts";

const files = sourceFiles(["runtime", "dashboard", "examples", "bench", "test"]);
const byPath = new Map(files.map((file) => [file.path, file]));
const notTests = files.filter((file) => !file.path.startsWith("test/"));

/** Fails with one line per breach. */
function expectNone(breaches: readonly string[]): void {
  expect(breaches.join("\n")).toBe("");
}

/** `path:line: word` for each match of the pattern in the code (not in strings or comments) of the files. */
function findWords(where: readonly SourceFile[], pattern: RegExp): string[] {
  return where.flatMap((file) =>
    file.code.split("\n").flatMap((line, i) => {
      const found = pattern.exec(line);
      return found === null ? [] : [`${file.path}:${i + 1}: ${found[0].trim()}`];
    })
  );
}

describe("layers", () => {
  test("a file imports only what its layer may import", () => {
    expectNone(files.flatMap((file) => breachesOf(file, importsOf(file))));
  });

  test("every relative import names a file that exists, with its extension", () => {
    const known = (path: string) => byPath.has(path) || !/\.tsx?$/.test(path);
    expectNone(
      files.flatMap((file) =>
        importsOf(file).filter((edge) => edge.path !== null && !known(edge.path))
          .map((edge) => `${file.path} imports ${edge.specifier}, which is not there`)
      ),
    );
  });

  test("no files import each other in a circle", () => {
    const graph = new Map(
      notTests.map((file) => [
        file.path,
        // Types are erased: a circle of them is a matter of taste, not of load order.
        importsOf(file).filter((edge) => edge.path !== null && !edge.typeOnly && !edge.dynamic).map((edge) =>
          edge.path!
        ),
      ]),
    );
    expect(findCycle(graph)).toEqual([]);
  });

  test("runtime globals are named only by the platform adapters", () => {
    const where = notTests.filter((file) =>
      file.path.startsWith("runtime/") && !file.path.startsWith("runtime/platform/")
    );
    expectNone(findWords(where, /(?<![\w$.])(Bun|Deno)\s*[.[]/));
  });
});

describe("the core is pure", () => {
  const core = notTests.filter((file) => file.path.startsWith("runtime/core/"));

  test("no clock, randomness, timers, input or output", () => {
    const globals =
      "Date|performance|setTimeout|setInterval|setImmediate|queueMicrotask|console|fetch|crypto|globalThis";
    // A process is also a noun of the core's; only the runtime's own is meant.
    const impure = new RegExp(
      `(?<![\\w$.#])((${globals}|Math\\.random)\\b(?!\\s*[?]?:)|process\\.(env|pid|on|exit|nextTick|hrtime|std\\w+|argv|cwd)\\b)`,
    );
    expectNone(findWords(core, impure));
  });

  test("no async", () => {
    expectNone(findWords(core, /(?<![\w$.#])(async|await|Promise)\b(?!\s*:)/));
  });

  test("no function of Math whose last bits differ between engines", () => {
    expectNone(
      findWords(
        core,
        /\bMath\.(exp|expm1|log|log1p|log2|log10|sin|cos|tan|a?sinh?|a?cosh?|a?tanh?|atan2|cbrt|hypot)\b/,
      ),
    );
    expectNone(findWords(core, /\b(localeCompare|Intl|toLocaleString)\b/));
  });
});

describe("size and form", () => {
  test("no file is longer than 500 lines, no test longer than 1000", () => {
    expectNone(
      files.filter((file) => file.lineCount > (file.path.startsWith("test/") ? 1000 : 500))
        .map((file) => `${file.path}: ${file.lineCount} lines`),
    );
  });

  test("no function is longer than 70 lines", () => {
    expectNone(
      notTests.flatMap((file) =>
        functionsOf(file).filter((found) => found.lines > 70)
          .map((found) => `${file.path}:${found.line}: ${found.name} has ${found.lines} lines`)
      ),
    );
  });

  test("every file begins by saying what it is", () => {
    expectNone(
      notTests.filter((file) => !/^(#!.*\n)?(\/\/.*\n)*\/\*\*[\s\S]*?@module[\s\S]*?\*\//.test(file.text))
        .map((file) => `${file.path}: no /** … @module */ header`),
    );
    expectNone(
      files.filter((file) => file.path.endsWith(".test.ts") && !/^\/\*\*|^\/\//.test(file.text))
        .map((file) => `${file.path}: no header comment that says what is tested`),
    );
  });

  test("nothing is left to be done", () => {
    const words = new RegExp(`\\b(${["FIX" + "ME", "X" + "XX", "HA" + "CK", "TO" + "DO"].join("|")})\\b`);
    expectNone(
      files.flatMap((file) =>
        file.text.split("\n").flatMap((line, i) =>
          words.test(line) ? [`${file.path}:${i + 1}: ${line.trim()}`] : []
        )
      ),
    );
  });

  test("file names are snake_case", () => {
    expectNone(files.map((file) => file.path).filter((path) => /[A-Z-]/.test(path.split("/").at(-1)!)));
  });
});

describe("configuration", () => {
  const root = join(import.meta.dirname, "..");

  test("deno.json and package.json export the same, in the same version", () => {
    const npm = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const deno = JSON.parse(readFileSync(join(root, "deno.json"), "utf8"));
    expect({ version: deno.version, exports: deno.exports }).toEqual({
      version: npm.version,
      exports: npm.exports,
    });
  });

  test("the lock file lists os and cpu, else Deno ignores it and resolves afresh", () => {
    const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
    const bad = Object.entries<Record<string, unknown>>(lock.packages)
      .filter(([, entry]) => typeof entry.os === "string" || typeof entry.cpu === "string")
      .map(([name]) => name);
    expect(bad).toEqual([]);
  });

  test("dependencies are pinned", () => {
    const npm = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    const all = { ...npm.dependencies, ...npm.devDependencies, ...npm.optionalDependencies } as Record<
      string,
      string
    >;
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual(
      [],
    );
  });
});

describe("the scanner itself", () => {
  const text = [
    'import type { A } from "../core/gcs/a.ts";',
    'import { type B, c } from "#platform";',
    'export * from "hono";',
    'const pattern = /[/"\'`{]/; // import { x } from "./comment.ts"',
    'const text = `a ${ { b: "Date.now()" } } { `;',
    "function long(a: string): void {",
    "  if (a) {",
    "    Date.now();",
    "  }",
    "}",
    'const later = () => import("./later.ts");',
  ].join("\n");
  const file: SourceFile = { path: "runtime/protocol/x.ts", text, code: blank(text), lineCount: 11 };

  test("sees imports, and nothing in comments and strings", () => {
    expect(importsOf(file)).toEqual([
      { specifier: "../core/gcs/a.ts", path: "runtime/core/gcs/a.ts", typeOnly: true, dynamic: false },
      { specifier: "#platform", path: null, typeOnly: false, dynamic: false },
      { specifier: "hono", path: null, typeOnly: false, dynamic: false },
      { specifier: "./later.ts", path: "runtime/protocol/later.ts", typeOnly: false, dynamic: true },
    ]);
    expect(findWords([file], /\bDate\b/)).toEqual(["runtime/protocol/x.ts:8: Date"]);
  });

  test("measures functions, not blocks", () => {
    expect(functionsOf(file)).toEqual([{ name: "long", line: 6, lines: 5 }]);
  });

  test("breaches of the layers are found", () => {
    expect(breachesOf(file, importsOf(file))).toEqual([
      "runtime/protocol/x.ts: protocol may not import types of ../core/gcs/a.ts",
      "runtime/protocol/x.ts: protocol may not import #platform",
      "runtime/protocol/x.ts: protocol may not import hono",
    ]);
    const core = { ...file, path: "runtime/core/x.ts" };
    const edges = [
      'import type { A } from "../protocol/messages.ts";',
      'import { B } from "../protocol/messages.ts";',
    ]
      .flatMap((line) => importsOf({ ...core, text: line, code: blank(line) }));
    expect(breachesOf(core, edges)).toEqual([
      "runtime/core/x.ts: core may not import ../protocol/messages.ts",
    ]);
  });

  test("circles are found", () => {
    expect(findCycle(new Map([["a", ["b"]], ["b", ["c"]], ["c", ["b"]]]))).toEqual(["b", "c", "b"]);
    expect(findCycle(new Map([["a", ["b", "c"]], ["b", ["c"]], ["c", []]]))).toEqual([]);
  });
});
