/** mobula/web is for where there is no `node:` and no eval: its bundle has neither. */
import { describe, expect, test } from "bun:test";
import { parse } from "acorn";
import { join } from "node:path";
import { runProgram, RUNTIMES } from "../support/run_program.ts";
import { importsOf, sourceFiles } from "../support/source_scan.ts";
import { bundleFor } from "./web_cluster.ts";

const ENTRY = "runtime/web/mod.ts";

/** Everything that mobula/web loads: [file, what it imports]. */
function reached(): [path: string, specifier: string][] {
  const files = new Map(sourceFiles(["runtime"]).map((file) => [file.path, file]));
  const found: [string, string][] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const edge of importsOf(files.get(path)!)) {
      if (edge.typeOnly) continue;
      if (edge.path === null || !files.has(edge.path)) found.push([path, edge.specifier]);
      else visit(edge.path);
    }
  };
  visit(ENTRY);
  return found;
}

describe("mobula/web", () => {
  test("imports nothing but its parser from outside, at any depth", () => {
    expect([...new Set(reached().map(([, specifier]) => specifier))]).toEqual(["acorn"]);
  });

  test("is one file without imports when bundled, and evaluates no code", async () => {
    const text = await bundleFor("page.ts", "iife");
    expect(new Bun.Transpiler({ loader: "js" }).scanImports(text)).toEqual([]);
    // A plain script can be no module: neither `import` nor `import.meta` is left.
    parse(text, { ecmaVersion: "latest", sourceType: "script" });
    const forbidden = /["'`]node:\w|\brequire\(|\bnew Function\b|(?<![\w.$])eval\(|(?<![\w.$])(Bun|Deno)\./g;
    expect(text.match(forbidden)).toBeNull();
    expect(text.length).toBeLessThan(400_000);
  });

  test("refuses options that it does not know, or that need files, by name", async () => {
    const { init } = await import("mobula/web");
    const wrong: [unknown, string][] = [
      [undefined, "init() in a page takes its options: { url, token }"],
      [{ token: "t" }, "Option url must be the address of the cluster's dashboard: http://HOST:PORT/"],
      [{ url: "ftp://a/?token=x", token: "t" }, 'Option url must be like http://HOST:PORT/, is "ftp://a/"'],
      [{ url: "http://a/", token: "" }, "Option token must be the cluster's token, a text that is not empty"],
      [{ url: "http://a/", token: "t", transport: "udp" }, 'Option transport must be "websocket" or "fetch"'],
      [
        { url: "http://a/", token: "t", numCpus: 1 },
        "Unknown option numCpus; known in a page: url, token, transport, namespace, runtimeEnv, logToDriver",
      ],
    ];
    for (const [options, message] of wrong) expect(init(options as never)).rejects.toThrow(message);
  });

  test("gives the same code the same hash as mobula does, on every runtime", async () => {
    const program = join(import.meta.dirname, "programs/hashes.ts");
    const all = await Promise.all(RUNTIMES.map((runtime) => runProgram(runtime, program)));
    const hashes = all.map((out) => JSON.parse(out) as { web: string; process: string });
    for (const { web, process } of hashes) expect(web).toBe(process);
    expect(new Set(hashes.map(({ web }) => web)).size).toBe(1);
  });
});
