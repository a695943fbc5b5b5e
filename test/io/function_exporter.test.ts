/**
 * Goal: what `remote()` accepts runs elsewhere, and what it refuses it refuses by name, with the ways out. Messages are
 * compared in full.
 */
import { describe, expect, test } from "bun:test";
import { type AnyCallable, exportCodec, exportFunction } from "../../runtime/io/function_exporter.ts";
import { isKnownGlobal } from "../../runtime/io/function_exporter_globals.ts";
import { useParserOfProcess } from "../../runtime/io/function_exporter_parser.ts";
import { nameFromCallSite } from "../../runtime/io/function_exporter_names.ts";
import { loadCodec, type LoadedCallable, loadFunctionSync } from "../../runtime/io/function_loader.ts";
import { runProgram, RUNTIMES } from "../support/run_program.ts";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

useParserOfProcess();
const outer = 1;
const table: Record<string, number> = {};
class Animal {}

function refusal(fn: unknown, options?: Parameters<typeof exportFunction>[1]): string {
  try {
    exportFunction(fn as AnyCallable, options);
  } catch (error) {
    return `${(error as Error).constructor.name}: ${(error as Error).message}`;
  }
  return "accepted";
}

function roundTrip(fn: AnyCallable): LoadedCallable {
  return loadFunctionSync(exportFunction(fn));
}

/** The value of source that no formatter or transpiler has touched. */
function raw(source: string): AnyCallable {
  return new Function(`return (${source})`)();
}

const ALLOWED = "Remote code may use its parameters, its own variables, globals and import(). Ways out: ";

describe("refusals", () => {
  test("one captured variable", () => {
    expect(refusal(function scale(x: number): number {
      return x * outer;
    })).toBe(
      "TypeError: remote(scale) cannot take this function: it uses outer, which is declared outside of it. " +
        ALLOWED +
        "pass it as an argument; put() a large value and pass its ref; give it in the option captures: { outer }; or move " +
        'it inside (for a module: const { … } = await import("…")).',
    );
  });

  test("several, each named once", () => {
    expect(refusal((a: number) => a + outer + table.x! + outer + join.length)).toBe(
      "TypeError: remote(anonymous function) cannot take this function: it uses outer, table and join, which are declared " +
        "outside of it. " + ALLOWED +
        "pass them as arguments; put() a large value and pass its ref; give them in the " +
        'option captures: { outer, table, join }; or move them inside (for a module: const { … } = await import("…")).',
    );
  });

  test("a class", () => {
    expect(refusal(
      class Counter {
        n = outer;
      },
    )).toBe(
      "TypeError: remote(Counter) cannot take this class: it uses outer, which is declared outside of it. " +
        ALLOWED +
        "pass it as an argument; put() a large value and pass its ref; give it in the option captures: { outer }; or move " +
        'it inside (for a module: const { … } = await import("…")).',
    );
  });

  test("a base class from outside", () => {
    expect(refusal(class Dog extends Animal {})).toBe(
      "TypeError: remote(Dog) cannot take this class: it extends Animal, which is declared outside of it. A remote class " +
        "may extend built-in classes only. Ways out: declare Animal in place (class … extends (class Animal { … }) { … }), " +
        "or hold one in a field instead of extending it.",
    );
    expect(refusal(
      class Dog extends Animal {
        n = outer;
      },
    )).toContain("it extends Animal, which is declared outside of it, and it uses outer from outside.");
  });

  const others: [what: string, fn: unknown, message: string][] = [
    [
      "a native function",
      Math.max,
      "TypeError: remote(max) cannot take this function: it is native or bound, so it has no source. Wrap it: " +
      "remote((...args) => …) with what it is bound to as an argument.",
    ],
    ["a bound function", (() => 1).bind(null), "it is native or bound, so it has no source"],
    ["a proxy", new Proxy(() => 1, {}), "it is native or bound, so it has no source"],
    ["no function at all", 5, "TypeError: remote() takes a function or a class, not number"],
    ["null", null, "TypeError: remote() takes a function or a class, not null"],
    [
      "an arrow function with the this around it",
      raw("() => this.x"),
      "TypeError: remote(anonymous function) cannot take this function: it uses `this` of the code around it. An arrow " +
      "function has no `this` of its own: pass what it needs as an argument, or make the class remote.",
    ],
    [
      "a method that uses super",
      (raw("{ m() { return super.toString() } }") as unknown as { m: AnyCallable }).m,
      "TypeError: remote(m) cannot take this function: it uses `super` of the object it was taken from. Make the class " +
      "remote instead.",
    ],
    [
      "a method that uses private names",
      (raw("class { #x = 1; m() { return this.#x } }").prototype as unknown as { m: AnyCallable }).m,
      "A method that uses private names cannot leave its class: make the class remote instead.",
    ],
    [
      "arguments of the function around",
      raw("(() => arguments[0])"),
      "TypeError: remote(anonymous function) cannot take this function: it uses `arguments` of the function around it. " +
      "Declare a rest parameter: (...args) => …",
    ],
    [
      "new.target of the function around",
      raw("(() => new.target)"),
      "it uses `new.target` of the function around it",
    ],
    [
      "import.meta",
      () => import.meta.url,
      "import.meta, which names the file that it was written in. Pass the path or URL",
    ],
  ];
  for (const [what, fn, message] of others) {
    test(what, () => expect(refusal(fn)).toContain(message));
  }
});

describe("what is accepted runs the same elsewhere", () => {
  test("functions of every form", async () => {
    expect(roundTrip((a: number, b = a) => a + b)(2)).toBe(4);
    expect(
      roundTrip(function named(n: number): number {
        return n < 2 ? 1 : n * named(n - 1);
      })(5),
    ).toBe(120);
    expect(await roundTrip(async ({ a }: { a: number }) => await a)({ a: 3 })).toBe(3);
    expect([
      ...roundTrip(function* (n: number) {
        for (let i = 0; i < n; i++) yield i;
      })(3),
    ]).toEqual([0, 1, 2]);
    const collected: number[] = [];
    for await (
      const x of roundTrip(async function* () {
        yield 1;
      })()
    ) collected.push(x);
    expect(collected).toEqual([1]);
    expect(
      roundTrip(function (this: unknown) {
        "use strict";
        return this;
      })(),
    ).toBe(undefined);
  });

  test("methods, getters and functions with computed names, taken out of their object", async () => {
    const object = {
      plain(a: number) {
        return a + 1;
      },
      async later(a: number) {
        return a + 2;
      },
      *items(a: number) {
        yield a;
      },
      async *pages(a: number) {
        yield a;
      },
      "quoted name"(a: number) {
        return a + 3;
      },
      [Symbol.iterator]() {
        return 4;
      },
      async() {
        return 5;
      },
      get() {
        return 6;
      },
      get value() {
        return 7;
      },
    };
    expect(roundTrip(object.plain)(1)).toBe(2);
    expect(await roundTrip(object.later)(1)).toBe(3);
    expect([...roundTrip(object.items)(1)]).toEqual([1]);
    expect((await roundTrip(object.pages)(1).next()).value).toBe(1);
    expect(roundTrip(object["quoted name"])(1)).toBe(4);
    expect(roundTrip(object[Symbol.iterator])()).toBe(4);
    expect(roundTrip(object.async)()).toBe(5);
    expect(roundTrip(object.get)()).toBe(6);
    expect(roundTrip(Object.getOwnPropertyDescriptor(object, "value")!.get!)()).toBe(7);
    expect(
      roundTrip(
        raw("class { static make() { return 8 } }") && (class {
          static make() {
            return 8;
          }
        }).make,
      )(),
    ).toBe(8);
  });

  test("an arrow function or class that calls itself by its variable", () => {
    const factorial = (n: number): number => n < 2 ? 1 : n * factorial(n - 1);
    expect(roundTrip(factorial)(5)).toBe(120);
    const Tree = class {
      make(): object {
        return new Tree();
      }
    };
    const Loaded = roundTrip(Tree) as unknown as typeof Tree;
    expect(new Loaded().make()).toBeInstanceOf(Loaded);
  });

  test("classes with everything that classes have", () => {
    const Counter = roundTrip(
      class Counter extends EventTarget {
        static made = 0;
        static #secret = 40;
        #value = 1;
        double = () => this.#value * 2;
        static {
          Counter.#secret += 2;
        }
        constructor(start = 1) {
          super();
          this.#value = start;
          Counter.made++;
        }
        increment(): number {
          return ++this.#value;
        }
        static secret(): number {
          return Counter.#secret;
        }
      },
    ) as unknown as {
      new (start?: number): { increment(): number; double(): number };
      secret(): number;
      made: number;
    };
    const counter = new Counter(5);
    expect([counter.increment(), counter.double(), Counter.secret(), Counter.made]).toEqual([6, 12, 42, 1]);
    expect(counter).toBeInstanceOf(EventTarget);
  });

  test("old scripts that only parse as sloppy code", () => {
    expect(roundTrip(raw("function (package) { return package + 010 }"))(1)).toBe(9);
  });

  test("captures that are given: only those that it uses", () => {
    const exported = exportFunction((x: number) => x + outer + table.y!, {
      captures: { outer, table: { y: 5 }, unused: 1 },
    });
    expect(exported.captures as unknown).toEqual({ outer: 1, table: { y: 5 } });
    expect(loadFunctionSync({ ...exported, captures: { outer: 10, table: { y: 20 } } })(1)).toBe(31);
    expect(exportFunction((x: number) => x, { captures: { outer } }).captures).toBe(null);
    expect(refusal((x: number) => x + outer + Number(join), { captures: { outer } })).toContain(
      "it uses join, which is",
    );
    const shadowed = exportFunction(() => fetch as unknown, { captures: { fetch: 5, require: 6 } });
    expect(shadowed.captures as unknown).toEqual({ fetch: 5 });
  });

  test("names that esbuild and tsx add", () => {
    const fn = roundTrip(raw('() => { const inner = __name(() => 1, "inner"); return inner.name }'));
    expect(fn()).toBe("inner");
  });
});

describe("facts about it", () => {
  const facts = (fn: AnyCallable): unknown[] => {
    const { kind, name, parameterCount, isAsync, isGenerator } = exportFunction(fn);
    return [kind, name, parameterCount, isAsync, isGenerator];
  };

  test("kind, name, parameters, async, generator", () => {
    const { arrow } = { arrow: (_a: number, _b = 1, ..._rest: number[]): void => {} };
    expect(facts(arrow)).toEqual(["function", "arrow", 2, false, false]);
    expect(facts(async () => {})).toEqual(["function", "", 0, true, false]);
    expect(facts(async function* pages(_x: number) {})).toEqual(["function", "pages", 1, true, true]);
    expect(facts(class Empty {})).toEqual(["class", "Empty", 0, false, false]);
    expect(facts(
      class Two {
        constructor(_a: number, { _b = 1 } = {}) {}
      },
    )).toEqual(["class", "Two", 2, false, false]);
  });

  test("public methods of a class, those of its bases and function fields included", () => {
    const { methods } = exportFunction(
      class extends (class Base {
        shared() {}
        async replaced() {}
      }) {
        field = () => 1;
        later = async () => 1;
        data = 1;
        #hidden = () => 1;
        static make() {}
        async slow() {}
        *items() {}
        async *pages() {}
        override replaced(): Promise<void> {
          return Promise.resolve();
        }
        get value() {
          return this.#hidden();
        }
        [Symbol.iterator]() {}
      },
    );
    const row = (name: string, isAsync = false, isGenerator = false): object => ({
      name,
      isAsync,
      isGenerator,
    });
    expect(methods as unknown).toEqual([
      row("field"),
      row("later", true),
      row("slow", true),
      row("items", false, true),
      row("pages", true, true),
      row("replaced"),
      row("shared"),
    ]);
    expect(exportFunction(() => 1).methods).toBe(undefined);
  });

  test("the hash depends on the code, not on the variable", () => {
    const [one, two] = [(x: number) => x + 1, (x: number) => x + 1];
    expect(exportFunction(one!).hash).toBe(exportFunction(two!).hash);
    expect(exportFunction(one!).hash).not.toBe(exportFunction((x: number) => x + 2).hash);
    expect(exportFunction(raw("(x) => x")).hash).toBe(
      "4636422c7c2a8670604538c307fb91a3178d80f6b7a9ea42ffc9db6752613891",
    );
  });

  test("the hash does not depend on how a runtime prints the code", () => {
    const hash = (text: string): string => exportFunction(raw(text)).hash;
    expect(hash("(x,y=2)=>{ return x+y }")).toBe(hash("(x, y = 2) => {\n  return x + y;\n}"));
    expect(hash("(x) => x + 'a'")).toBe(hash('(x)=>(x+"a")'));
    expect(hash("(x) => x - 1")).not.toBe(hash("(x) => x + 1"));
    expect(hash("(x) => `${x}`")).not.toBe(hash("(x) => x"));
    expect(hash("() => /a/g")).not.toBe(hash("() => /a/i"));
    expect(hash("() => 1n")).not.toBe(hash("() => 1"));
    expect(hash("(x) => x.x")).not.toBe(hash("(x) => x[x]"));
  });

  test("globals: those of every runtime, and of this one where they have no everyday name", () => {
    const known =
      "Array console process Buffer fetch URL setTimeout structuredClone Bun Deno require globalThis NaN window";
    for (const name of known.split(" ")) expect([name, isKnownGlobal(name)]).toEqual([name, true]);
    for (
      const name of [
        "name",
        "location",
        "close",
        "module",
        "exports",
        "__dirname",
        "Cache",
        "outer",
        "__proto__",
      ]
    ) {
      expect([name, isKnownGlobal(name)]).toEqual([name, false]);
    }
  });
});

describe("codecs", () => {
  class Point {
    readonly x: number;
    constructor(x: number) {
      this.x = x;
    }
  }

  test("class and codec travel as one, the codec uses the class by its name", () => {
    const exported = exportCodec(Point, {
      encode(p: Point) {
        return { x: p.x };
      },
      decode: (data: { x: number }) => new Point(data.x),
    });
    expect([exported.kind, exported.name, exported.hash.length]).toEqual(["codec", "Point", 64]);
    const { cls, codec } = loadCodec(exported);
    const made = codec.decode({ x: 5 });
    expect(made).toBeInstanceOf(cls);
    expect([made.x, codec.encode(made), cls.name]).toEqual([5, { x: 5 }, "Point"]);
    expect(loadCodec(exported).cls).toBe(cls);
  });

  test("a class of the runtime", () => {
    const exported = exportCodec(Headers, {
      encode: (h: Headers) => [...h],
      decode: (d: [string, string][]) => new Headers(d),
    });
    expect(loadCodec(exported).codec.decode([["a", "b"]]).get("a")).toBe("b");
  });

  test("what they capture is refused by name", () => {
    expect(() => exportCodec(Point, { encode: () => outer, decode: () => new Point(1) })).toThrow(
      "registerClass(Point, { encode }) cannot take this function: it uses outer, which is declared outside of it.",
    );
    expect(() => exportCodec(class Dog extends Animal {}, { encode: () => 1, decode: () => 1 })).toThrow(
      "registerClass(Dog) cannot take this class: it extends Animal",
    );
    expect(() => exportCodec(class {}, { encode: () => 1, decode: () => 1 })).toThrow(
      "the class needs a name",
    );
    expect(() => exportCodec(Point, {} as never)).toThrow(
      "registerClass(Point, { encode }): it must be a function",
    );
  });
});

describe("names from the call site", () => {
  const stackHere = (): string => new Error().stack!.split("\n").toSpliced(1, 1).join("\n");
  const remote = (_fn?: unknown, _options?: unknown): string =>
    nameFromCallSite(stackHere().split("\n").toSpliced(1, 1).join("\n"));
  const mobula = { remote };

  test("the variable or property that the result is assigned to", () => {
    const add = remote(() => 1);
    const typed: string = mobula.remote(() => 1, { numCpus: 1 });
    const tasks = { inObject: remote(() => 1), other: [remote(() => 1)] };
    const holder: Record<string, string> = {};
    holder.assigned = remote(() => 1);
    expect([add, typed, tasks.inObject, holder.assigned]).toEqual([
      "add",
      "typed",
      "inObject",
      "assigned",
    ]);
    expect(remote()).toBe("anonymous");
    const called = (): number => 1;
    const [given] = [remote(called, {})];
    expect(given).toBe("called");
  });

  test("also over a line break, and with types in between", () => {
    const file = join(tmpdir(), `mobula-call-site-${process.pid}.ts`);
    const at = (text: string, line = 1, column = 1): string => {
      writeFileSync(`${file}${text.length}`, text);
      const name = nameFromCallSite(`Error\n    at f (${file}${text.length}:${line}:${column})`);
      rmSync(`${file}${text.length}`);
      return name;
    };
    expect(at("const next =\n  remote(() => 1)", 2, 3)).toBe("next");
    expect(at("export const f: RemoteFunction<(a: 1) => 2> = remote<X>(async () => 1)", 1, 50)).toBe("f");
    expect(at("const a = remote(() => 1), b = remote(() => 2);", 1, 11)).toBe("a");
    expect(at("const a = remote(() => 1), b = remote(() => 22);", 1, 32)).toBe("b");
    expect(at("run(remote(() => 1), x = 5)", 1, 5)).toBe("anonymous");
    expect(at("id.remote(given);\nrun(remote(() => 2).remote());", 2, 5)).toBe("anonymous");
    expect(at("const a = id.remote(given), b = [remote(() => 3)];", 1, 34)).toBe("anonymous");
  });

  test("nothing to read gives anonymous", () => {
    expect(nameFromCallSite(undefined)).toBe("anonymous");
    expect(nameFromCallSite("Error\n    at f (/no/such/file.ts:1:1)")).toBe("anonymous");
    expect(nameFromCallSite("Error\n    at f (native)\n    at https://example.com/x.js:1:1")).toBe(
      "anonymous",
    );
  });
});

for (const runtime of RUNTIMES) {
  test(`exported code runs under ${runtime}`, async () => {
    const output = await runProgram(runtime, join(import.meta.dir, "function_loader_program.ts"));
    expect(JSON.parse(output)).toEqual({
      sum: 3,
      hash: exportFunction(raw("(a, b) => a + b")).hash,
      counter: [1, 2],
      builtin: "a/b",
      relative: "from the job's folder",
      package: "package with conditions",
      subpath: "subpath x",
      main: "package with main",
      mobula: true,
      json: { answer: 42 },
      cached: true,
      stack: true,
      missing:
        'lost imports "no-such-package", which is neither in JOB/node_modules nor in a folder above: install the package ' +
        "where the workers run, or set runtimeEnv.workingDir",
      syntax: "SyntaxError: cannot load broken (bad00000)",
      strict: true,
      required: "package with main",
      instance: true,
    });
  });
}
