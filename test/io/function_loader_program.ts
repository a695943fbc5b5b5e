/**
 * Run under each runtime by function_exporter.test.ts: loads exported code in a job's folder of its own and prints what
 * it gave.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type AnyCallable, exportFunction } from "../../runtime/io/function_exporter.ts";
import { type LoadedCallable, loadFunction } from "../../runtime/io/function_loader.ts";

const job = realpathSync(mkdtempSync(join(tmpdir(), "mobula-loader-")));

function file(path: string, text: string): void {
  mkdirSync(dirname(join(job, path)), { recursive: true });
  writeFileSync(join(job, path), text);
}

function load(fn: AnyCallable, name = "task"): Promise<LoadedCallable> {
  return loadFunction({ ...exportFunction(fn), name, captures: {} }, { workingDir: join(job, "work") });
}

async function main(): Promise<Record<string, unknown>> {
  file("work/helper.ts", `export const text: string = "from the job's folder";`);
  file("work/data.json", `{"answer": 42}`);
  const exports = {
    ".": { import: { default: "./esm.js" }, require: "./no.cjs" },
    "./sub/*": "./sub/*.js",
    "./off/*": null,
  };
  file(
    "node_modules/@x/conditions/package.json",
    JSON.stringify({ name: "@x/conditions", type: "module", exports }),
  );
  file("node_modules/@x/conditions/esm.js", `export default "package with conditions";`);
  file("node_modules/@x/conditions/sub/x.js", `export default "subpath x";`);
  file("node_modules/with-main/package.json", JSON.stringify({ name: "with-main", main: "lib/index.js" }));
  file("node_modules/with-main/lib/index.js", `module.exports = "package with main";`);

  const sum = new Function("return ((a, b) => a + b)")() as AnyCallable;
  const Counter = await load(
    class Counter {
      value = 0;
      increment(): number {
        return ++this.value;
      }
    },
  );
  const counter = new (Counter as unknown as new () => { increment(): number })();
  const imports = await load(async (specifier: string, options?: object) =>
    await import(specifier, options as never)
  );
  const thrower = await load((message: string) => {
    throw new Error(message);
  }, "thrower");
  const lost = await load(async () => await import("no-such-package" as string), "lost");
  const syntax = await loadFunction({ source: "((", kind: "function", hash: "bad00000", name: "broken" })
    .catch(String);
  let stack = "";
  try {
    thrower("boom");
  } catch (error) {
    stack = (error as Error).stack ?? "";
  }
  const missing = await lost().catch((error: Error) => error.message) as string;
  return {
    sum: (await load(sum))(1, 2),
    hash: exportFunction(sum).hash,
    counter: [counter.increment(), counter.increment()],
    builtin: (await load(async (a: string) => (await import("node:path")).posix.join(a, "b")))("a") &&
      (await imports("path")).posix.join("a", "b"),
    relative: (await imports("./helper.ts")).text,
    package: (await imports("@x/conditions")).default,
    subpath: (await imports("@x/conditions/sub/x")).default,
    main: (await imports("with-main")).default,
    mobula: await imports("mobula").then(
      () => true,
      (error: unknown) => /mod\.ts|mobula/.test(String(error)),
    ),
    json: (await imports("./data.json", { with: { type: "json" } })).default,
    cached: await load(sum) === await load(sum),
    stack: /thrower/.test(stack.split("\n")[1] ?? "") && stack.includes("boom"),
    missing: missing.replace(join(job, "work"), "JOB"),
    syntax: (syntax as string).split(" under", 1)[0],
    strict: (await load(function (this: unknown) {
      return this === undefined;
    }))(),
    required: (await load(() => require("with-main")))(),
    instance: counter instanceof Counter,
  };
}

try {
  console.log(JSON.stringify(await main()));
} finally {
  rmSync(job, { recursive: true });
}
