/**
 * Goal: the scope analysis finds exactly the names that code takes from outside.
 * Method: a table of expressions and their free names, in the order of first use.
 */
import { describe, expect, test } from "bun:test";
import * as acorn from "acorn";
import { analyseScope, type FreeUse } from "../../runtime/io/function_exporter_scope.ts";

function analyse(source: string): FreeUse {
  const options = { ecmaVersion: "latest", sourceType: "module", allowSuperOutsideMethod: true } as const;
  const program = acorn.parse(`(function () { return (${source}\n) })`, options);
  const outer = (program.body[0] as acorn.ExpressionStatement).expression as acorn.FunctionExpression;
  return analyseScope((outer.body.body[0] as acorn.ReturnStatement).argument as acorn.AnyNode);
}

const TABLE: Record<string, [source: string, free: string][]> = {
  "parameters and locals": [
    ["(a, b) => a + b + c", "c"],
    ["(...rest) => rest.length + length", "length"],
    ["(a = b, b) => a", ""],
    ["(a = x, x2 = a) => x2", "x"],
    ["({ a, b: { c = d }, ...e }, [f, , g = h] = i) => [a, b, c, e, f, g]", "d h i b"],
    ["({ [key]: value }) => value", "key"],
    ["function (a = b) { var b; return b + a }", "b"],
    ["function (a) { var a; let b = a; { let b = c } return b }", "c"],
    ["() => { const { a, b = a, [c]: d } = e; return a + b + d }", "c e"],
    ["() => { let a; ({ a, b: a.x, c: d } = {}); [a, e] = [] }", "d e"],
    ["() => { using r = open(); await2(r) }", "open await2"],
    ["async () => { await using r = open(); for await (const x of r) y(x) }", "open y"],
  ],
  "hoisting": [
    ["() => { x = 1; var x }", ""],
    [
      "() => { if (1) { for (;;) { try { var x } catch { var y } finally { var z } } } return x + y + z }",
      "",
    ],
    ["() => { f(); function f() {} }", ""],
    ["() => { { function f() {} } f() }", "f"],
    ["() => { { let a; const b = 1; class C {} } return [a, b, C] }", "a b C"],
    ["() => { switch (v) { case w: let a; function f() {} default: a; f() } a }", "v w a"],
    ["() => { for (let i = 0, n = m; i < n; i++) {} i }", "m i"],
    ["() => { for (var i of list) {} i }", "list"],
    ["() => { for (const k in o) k; for (k of o) k }", "o k"],
    ["() => { for (const [k, v = d] of o) ((x) => x + k + v)(); v }", "d o v"],
    ["() => { inner: { function g() { return x } var x } return g }", "g"],
    ["function () { return inner; function inner() { return hidden; var hidden } }", ""],
  ],
  "functions": [
    ["function f(n) { return n && f(n - 1) }", ""],
    ["function () { return function g() { return g }, g }", "g"],
    ["() => () => () => deep", "deep"],
    ["(x) => [1].map((y) => x + y + z).filter(function (x) { return x && q })", "z q"],
    ["async function* f() { yield* other(); await last }", "other last"],
    ["function () { return arguments.length + (() => arguments[0])() }", ""],
    ["function () { var undefined2 = void 0; return new.target }", ""],
  ],
  "what looks like a name and is none": [
    ["(o) => o.prop.prop2 + o?.opt + o[computed]", "computed"],
    [
      "(o) => ({ key: o, short, method() {}, get g() { return o }, 'text': 1, 2: 3, [comp]: 1, __proto__: null })",
      "short comp",
    ],
    ["() => { label: for (;;) { if (a) break label; else continue label } }", "a"],
    ["() => `t${a}` + tag`x${b}`", "a tag b"],
    ["() => /regex/.test(a)", "a"],
    ["async () => (await import('x')).named", ""],
    ["(o) => o.async.await.of.get.set", ""],
    ["() => { try { a } catch (e) { e; b } finally { e } }", "a b e"],
    ["() => { try {} catch ({ message = m, ...r }) { message; r } }", "m"],
    ["() => { try {} catch { x } }", "x"],
    ["() => typeof a + delete b.c + void d", "a b d"],
    ["() => { a ??= b; c.d ||= 1; [e] = [f] }", "a b c e f"],
    ["(a) => { a => b; ({ a }) => c; (async (a) => a)() }", "b c"],
  ],
  "classes": [
    ["class A { m() { return A } }", ""],
    ["class extends Base { constructor() { super(); super.m() } }", "Base"],
    ["class extends mixin(class Inner {}) { [Inner]() {} }", "mixin Inner"],
    [
      "class A { x = a; static y = A.x + b; #p = c; static #q = this.#r(); static #r() { return d } }",
      "a b c d",
    ],
    ["class { [k1] = 1; [k2]() {} get [k3]() {} static [k4] = 1 }", "k1 k2 k3 k4"],
    ["class { static { var v = a; let w = v; function f() { return w } f() } m() { return v } }", "a v"],
    ["class { #x; has(o) { return #x in o && o.#x } }", ""],
    ["class { m(a = this.n, b = outer) { return () => this.n + a + b } }", "outer"],
    ["class { f = () => this.x + y; static g = () => this }", "y"],
    ["() => { class A extends B {} class B {} return new A() }", ""],
    ["() => class Named {} && Named", "Named"],
  ],
};

for (const [group, rows] of Object.entries(TABLE)) {
  describe(`free names: ${group}`, () => {
    for (const [source, free] of rows) {
      test(source, () => expect([...analyse(source).names].join(" ")).toBe(free));
    }
  });
}

describe("what belongs to the code around", () => {
  const flags = (source: string): string => {
    const uses = analyse(source);
    return Object.entries(uses).filter(([, value]) => value === true).map(([name]) => name).join(" ");
  };
  const rows: [source: string, flags: string][] = [
    ["() => this", "usesThis"],
    ["() => () => { if (1) return this.x }", "usesThis"],
    ["(a = this) => a", "usesThis"],
    ["function () { return () => this }", ""],
    ["() => ({ m() { return this }, f: function () { return this } })", ""],
    ["() => class { x = this; static { this.y } [this.k]() {} }", "usesThis"],
    ["class { [this.k]() {} }", "usesThis"],
    ["() => arguments[0]", "usesArguments"],
    ["() => function () { return arguments }", ""],
    ["(arguments2) => arguments2", ""],
    ["() => new.target", "usesNewTarget"],
    ["function () { return () => new.target }", ""],
    ["() => super.x", "usesSuper"],
    ["() => ({ m() { return super.m() } })", ""],
    ["class extends Object { m() { return () => super.m() } f = () => super.f }", ""],
    ["() => import.meta.url", "usesImportMeta"],
    ["() => ({ import: { meta: 1 } }).import.meta", ""],
  ];
  for (const [source, wanted] of rows) test(source, () => expect(flags(source)).toBe(wanted));

  test("each import() is found, also inside others", () => {
    const source =
      "async () => (await import((await import('a')).b), import('c', { with: { type: 'json' } }))";
    const start = "(function () { return (".length;
    expect(analyse(source).imports.map((at) => source.slice(at - start, at - start + 8))).toEqual(
      ["import((", "import('", "import('"],
    );
  });
});
