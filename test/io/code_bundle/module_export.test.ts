/**
 * Goal: a function takes along exactly what it uses of its module, runs alike elsewhere, and is refused by name and place
 * where it cannot. Messages are compared in full.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { definitionOf, Project, received } from "./project.ts";

const project = new Project();
const before = process.env.MOBULA_CACHE_DIR;
const cache = join(project.folder, "cache");

beforeAll(() => {
  process.env.MOBULA_CACHE_DIR = cache;
});
afterAll(() => {
  if (before === undefined) delete process.env.MOBULA_CACHE_DIR;
  else process.env.MOBULA_CACHE_DIR = before;
  project.end();
});

const IMPORT = `import { remote, put } from "mobula";\n`;
const WHY =
  "Of what is declared around it, only imports, functions, classes and constants of a module's top level travel " +
  "with the code. Ways out: ";

/** Calls the module's `run` as a worker would. */
async function call(
  main: string,
  args: unknown[] = [],
  files: Record<string, string> = {},
): Promise<unknown> {
  const { run } = await project.load({ "main.ts": IMPORT + main, ...files });
  return await (await received(run))(...args);
}

describe("refusals", () => {
  test("a local variable", async () => {
    const main = `${IMPORT}function make() {\n  const factor = Number("3");\n  const made = remote(` +
      `function scale(x: number) {\n    return x * factor;\n  });\n  return made;\n}\nexport const run = make();\n`;
    expect(await project.refusal({ "main.ts": main })).toBe(
      "TypeError: remote(scale) cannot take this function: it uses factor (a local variable, …/main.ts:3). " +
        WHY +
        "pass it as an argument; put() a large value and pass its ref; or give it in the option captures: { factor }.",
    );
  });

  test("a top-level variable that is reassigned, also through a helper", async () => {
    const main = `${IMPORT}let count = 0;\ncount++;\nconst next = () => count + 1;\n` +
      "export const run = remote(function following() {\n  return next();\n});\n";
    expect(await project.refusal({ "main.ts": main })).toBe(
      "TypeError: remote(following) cannot take this function: it uses count (a top-level variable that is reassigned, " +
        `…/main.ts:3). ${WHY}pass it as an argument; put() a large value and pass its ref; or give it in the option ` +
        "captures: { count }.",
    );
  });

  test("a value of the running cluster", async () => {
    const main =
      `${IMPORT}const table = put([1]);\nexport const run = remote(class Reader {\n  ref = table;\n});\n`;
    expect((await project.refusal({ "main.ts": main })).split(" Of what")[0]).toBe(
      "TypeError: remote(Reader) cannot take this class: it uses table (a value of this run from put(), …/main.ts:2).",
    );
  });

  test("a name that nothing declares", async () => {
    const main = `${IMPORT}export const run = remote(function lost() { return nowhere; });\n`;
    expect(await project.refusal({ "main.ts": main })).toStartWith(
      "TypeError: remote(lost) cannot take this function: it uses nowhere, which is declared outside of it.",
    );
  });

  test("an import that leads back to the program", async () => {
    expect(
      await project.refusal({
        "main.ts":
          `${IMPORT}import { a } from "./a.ts";\nexport const b = 1;\nexport const run = remote(() => a());\n`,
        "a.ts": `import { b } from "./main.ts";\nexport const a = () => b;\n`,
      }),
    ).toBe(
      "TypeError: remote(run): a module that it uses imports …/main.ts back, so all of that module would run on the workers. " +
        "Move what both use into a module of its own.",
    );
  });

  test("an import that cannot be parsed, with its place", async () => {
    const main =
      `${IMPORT}export const make = () => {\n  const made = remote(async () => (await import("./bad.ts")).x);\n` +
      "  return [made];\n};\n";
    const { make } = await project.load({ "main.ts": main, "bad.ts": "export const x = 1;\nconst = 2;\n" });
    expect(make).toThrow(/^remote\(made\): what it uses cannot be bundled:[^]*bad\.ts:2:6/);
  });
});

describe("what it takes along", () => {
  test("also where a tail call hides the place of the call", async () => {
    const main = `import { make } from "./make.ts";\nexport const run = make("b");\n`;
    const made =
      `${IMPORT}const add = (x: string) => x + "!";\nexport const other = () => remote((x: string) => add(x));\n` +
      "export function make(suffix: string) {\n  return remote((x: string) => add(x + suffix), { captures: { suffix } });\n}\n";
    expect(await call(main.replace(IMPORT, ""), ["a"], { "make.ts": made })).toBe("ab!");
  });

  test("only what it uses, in order; statements of the program stay at home", async () => {
    const main = `const order: string[] = (globalThis as any).order ??= [];\norder.push("driver");\n` +
      "const note = (what: string) => (((globalThis as any).order ??= []).push(what), what);\n" +
      `const unused = note("unused");\nconst second = note("second"), other = note("other");\n` +
      "void unused; void other;\nexport const run = remote(() => second);\n";
    const { run } = await project.load({ "main.ts": IMPORT + main });
    const order = (globalThis as { order?: string[] }).order!;
    order.length = 0;
    expect(await (await received(run))()).toBe("second");
    expect(order).toEqual(["second"]);
    expect(definitionOf(run).source).not.toContain("unused");
  });

  test("an imported module's own statements run, once", async () => {
    const files = {
      "a.ts": `(globalThis as any).loads = ((globalThis as any).loads ?? 0) + 1;\nexport const a = 4;\n`,
    };
    const { run } = await project.load({
      "main.ts": `${IMPORT}import { a } from "./a.ts";\nexport const run = remote(() => a);`,
      ...files,
    });
    (globalThis as { loads?: number }).loads = 0;
    const [one, two] = await Promise.all([received(run), received(run)]);
    expect([one, one(), (globalThis as { loads?: number }).loads]).toEqual([two, 4, 1]);
  });

  test("enums, namespaces, parameter properties, JSON, defaults, destructuring and re-exports", async () => {
    const main =
      `import data from "./data.json" with { type: "json" };\nimport total, { Deep as D } from "./index.ts";\n` +
      "enum Color { Red = 1, Blue = Red << 2 }\nnamespace Space { export const x = 5; }\n" +
      "namespace Space { export const y = 6; }\nconst { a, ...rest } = data;\n" +
      "class Point { constructor(readonly x: number, private y = Color.Blue) {} sum() { return this.x + this.y; } }\n" +
      "class Point3 extends Point { static origin = () => new Point3(0); name = this.constructor.name; }\n" +
      "export const run = remote((n: number, by = a) => [Color[1], new Point3(n).sum(), Space.x + Space.y, rest, by, " +
      "total(1, 2), new D().say(), Point3.origin().name]);\n";
    expect(
      await call(main, [2], {
        "data.json": `{ "a": 1, "b": 2, "c": [3] }`,
        "index.ts": `export * from "./deep.ts";\nexport { sum as default } from "./sum.ts";\n`,
        "deep.ts": `export class Deep { say(): string { return "deep"; } }\n`,
        "sum.ts": "export function sum(...all: number[]): number { return all.reduce((x, y) => x + y); }\n",
      }),
    ).toEqual(["Red", 6, 11, { b: 2, c: [3] }, 1, 3, "deep", "Point3"]);
  });

  test("names that hide globals or each other mean what they mean in the module", async () => {
    const main = `const Math = { max: () => "mine" };\nconst x = "top";\nimport { x as y } from "./a.ts";\n` +
      "const show = (x: string) => x + y;\n" +
      "export const run = remote(() => { const local = (x: string) => show(x); return [Math.max(), local(x)]; });\n";
    expect(await call(main, [], { "a.ts": `const x = "imported";\nexport { x };\n` }))
      .toEqual(["mine", "topimported"]);
  });

  test("classes keep their names where the bundler must tell them apart", async () => {
    const main = `import { Refused as Other } from "./a.ts";\nclass Refused extends Error {}\n` +
      "export const run = remote(() => { class Inner { static self = () => Inner; }\n" +
      "  const names = () => { class Refused extends Error {}\n return Refused.name; };\n" +
      "  return [Refused.name, Other.name, names(), Inner.name]; });\n";
    const files = { "a.ts": "export class Refused extends Error { static make = () => new Refused(); }\n" };
    expect(await call(main, [], files)).toEqual(["Refused", "Refused", "Refused", "Inner"]);
  });

  test("declarations by name, imported ones, default exports, and what a wrapper is given", async () => {
    const main =
      `import work from "./work.ts";\nfunction inner(n: number): number { return n ? inner(n - 1) : offset; }\n` +
      `const offset = Number("7");\nfunction task<F extends (...args: any[]) => any>(label: string, fn: F) { ` +
      "const made = remote(fn); return made; }\n" +
      `export const run = [remote(inner), remote(work), task("x", (n: number) => n + offset)];\n`;
    const files = {
      "work.ts": "const k = 10;\nexport default function (n: number): number { return n * k; }\n",
    };
    const { run } = await project.load({ "main.ts": IMPORT + main, ...files });
    const made = await Promise.all((run as unknown[]).map((one) => received(one)));
    expect(made.map((fn) => fn(2))).toEqual([7, 20, 9]);
  });

  test("captures, beside what the module has", async () => {
    const main =
      `const twice = (n: number) => 2 * n;\nfunction make(k: number) {\n  const made = remote((n: number) => ` +
      "twice(n) + k, { captures: { k } });\n  return made;\n}\nexport const run = make(Number(5));\n";
    expect(await call(main, [4])).toBe(13);
  });

  test("a package of pure JavaScript; one that is declared external stays outside", async () => {
    for (const name of ["pure", "outside"]) {
      project.write({
        [`node_modules/${name}/package.json`]: `{ "name": "${name}", "main": "index.js" }`,
        [`node_modules/${name}/index.js`]:
          `module.exports = { name: "${name}", cwd: require("node:path").sep };`,
      });
    }
    const main = `${IMPORT}import pure from "pure";\nimport outside from "outside";\n` +
      "export const run = remote(() => [pure.name, pure.cwd, outside.name]);\n";
    const { run } = await project.load({
      "main.ts": main,
      "package.json": `{ "type": "module", "mobula": { "external": ["outside"] } }`,
    });
    expect(definitionOf(run).source).toContain(`"modules":["outside"]`);
    expect(await (await received(run, project.folder))()).toEqual(["pure", "/", "outside"]);
    expect(received(run, "/")).rejects.toThrow(/imports "outside"/);
  });

  test("a package with machine code stays outside", async () => {
    project.write({
      "node_modules/addon/package.json": `{ "name": "addon", "main": "index.js", "gypfile": true }`,
      "node_modules/addon/index.js": `exports.native = () => "native";`,
    });
    const { run } = await project.load({
      "main.ts": `${IMPORT}import { native } from "addon";\nexport const run = remote(() => native());\n`,
    });
    expect(definitionOf(run).source).toContain(`"modules":["addon"]`);
    expect(await (await received(run, project.folder))()).toBe("native");
  });
});

describe("hashes and the cache", () => {
  const main = `${IMPORT}import { help } from "./help.ts";\nexport const run = remote(() => help());\n`;
  const help = (value: number) => `export const help = () => ${value};\n`;

  test("the same module has one hash, a changed helper another one", async () => {
    const hashes: string[] = [];
    for (const value of [1, 1, 2]) {
      const { run } = await project.load({ "main.ts": main, "help.ts": help(value), "package.json": "{}" });
      hashes.push(definitionOf(run).hash);
      expect(await (await received(run))()).toBe(value);
    }
    expect([hashes[0] === hashes[1], hashes[0] === hashes[2]]).toEqual([true, false]);
  });

  test("a damaged or useless cache costs time only", async () => {
    for (const name of readdirSync(join(cache, "code"))) writeFileSync(join(cache, "code", name), "{");
    const { run } = await project.load({ "main.ts": main, "help.ts": help(3) });
    expect(await (await received(run))()).toBe(3);
    rmSync(cache, { recursive: true });
    mkdirSync(cache);
    writeFileSync(join(cache, "code"), "a file");
    const again = await project.load({ "main.ts": main, "help.ts": help(4) });
    expect(await (await received(again.run))()).toBe(4);
    rmSync(join(cache, "code"));
  });
});

describe("size", () => {
  const main =
    `${IMPORT}import { big } from "./big.ts";\nexport const make = () => {\n  const made = remote(() => ` +
    "big.length);\n  return [made];\n};\n";
  const big = (megabytes: number) => `export const big = "${"abcdefgh".repeat(megabytes * 131072)}";\n`;

  test("over 10 MB warns and travels, over 95 MB is refused, naming the largest parts", async () => {
    const said: string[] = [];
    const warn = console.warn;
    console.warn = (text: string) => void said.push(text);
    try {
      const { make } = await project.load({ "main.ts": main, "big.ts": big(11) });
      const [made] = (make as () => unknown[])();
      expect(definitionOf(made).source.length).toBeLessThan(1 << 20);
      expect(await (await received(made))()).toBe(11 << 20);
      expect(said).toEqual([
        "mobula warning: remote(made): its code with all that it imports is 11.0 MiB. The largest parts: big.ts (11.0 MiB), " +
        "main.ts.slice (34 B). Every worker that runs it loads all of this.",
      ]);
      const large = await project.load({ "main.ts": main, "big.ts": big(96) });
      expect(large.make).toThrow(
        /^remote\(made\): its code with all that it imports is 96\.0 MiB\. The largest parts: big\.ts \(96\.0 MiB\).*At most 95\.0 MiB travel/,
      );
    } finally {
      console.warn = warn;
    }
  }, 30_000);
});
