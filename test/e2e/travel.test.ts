/**
 * Code that travels: a program of four modules with a class hierarchy, a package, JSON and helpers of helpers runs on a
 * cluster that cannot read its sources, from each runtime on each, and errors name the user's lines.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { runProgram, type Runtime, RUNTIMES } from "../support/run_program.ts";

const leftovers = watchLeftovers();
const root = join(import.meta.dirname, "../..");
const session = new CliSession();
const folder = mkdtempSync(join(tmpdir(), "mobula-travel-"));
let env: Record<string, string> = {};

beforeAll(async () => {
  const { address } = await session.json<{ address: string }>(
    ...["start", "--head", "--port", "0", "--dashboard-port", "0", "--num-cpus", "2"],
    ...["--object-store-bytes", "134217728"],
  );
  const token = readFileSync(join(session.sessionDir, "token"), "utf8").trim();
  env = {
    MOBULA_ADDRESS: address,
    MOBULA_TOKEN: token,
    MOBULA_SESSION_DIR: session.sessionDir,
    MOBULA_CACHE_DIR: join(folder, "cache"),
  };
});
afterAll(async () => {
  await session.end();
  rmSync(folder, { recursive: true, force: true });
  await leftovers.check();
});

/** The program's project, in a folder that no agent knows. */
function project(name: string): string {
  const dir = join(folder, name);
  mkdirSync(join(dir, "node_modules"), { recursive: true });
  symlinkSync(root, join(dir, "node_modules/mobula"));
  symlinkSync(join(root, "node_modules/acorn"), join(dir, "node_modules/acorn"));
  writeFileSync(join(dir, "package.json"), `{ "type": "module" }`);
  cpSync(join(import.meta.dirname, "programs/travel"), join(dir, "src"), { recursive: true });
  return join(dir, "src");
}

/** The line of a source that holds the text. */
function lineOf(file: string, text: string): number {
  const lines = readFileSync(join(import.meta.dirname, "programs/travel", file), "utf8").split("\n");
  return lines.findIndex((line) => line.includes(text)) + 1;
}

async function run(
  driver: Runtime,
  worker: Runtime,
): Promise<Record<string, unknown> & { hashes: string[] }> {
  const src = project(`${driver}-${worker}`);
  return JSON.parse(
    await runProgram(driver, join(src, "main.ts"), { args: ["hide", worker], env, cwd: folder }),
  );
}

let hashes: string[] | undefined;

describe("a program of four modules", () => {
  for (const [i, driver] of RUNTIMES.entries()) {
    // A driver of each with workers of another one, then of its own.
    for (const worker of [RUNTIMES[(i + 1) % 3]!, driver]) {
      test(`runs from ${driver} on workers of ${worker} that cannot read it`, async () => {
        const { refused, failure, hashes: made, ...result } = await run(driver, worker);
        expect(result).toEqual({
          total: {
            sum: 124,
            names: ["Square 1 m", "Circle 1 m", "Square 2 m", "Circle 2 m"],
            nodes: 1,
            runtime: worker,
            lazily: "lazy",
            driver: 0,
          },
          added: [12, 18, 2],
          even: [true, false],
          fibonacci: 8,
          rounded: 3,
          nested: [15, 30],
          triple: 12,
        });
        const [name, message, stack] = refused as string[];
        expect([name, message]).toEqual(["TaskError(Refused)", "task Collector.fail failed: collector"]);
        expect(stack).toContain(`src/main.ts:${lineOf("main.ts", "new tasks.Refused")}:`);
        const [said, where] = failure as string[];
        expect(said).toBe("task failing failed: cannot parse (");
        expect(where).toContain(`src/text.ts:${lineOf("text.ts", "throw new Refused")}:`);
        hashes ??= made;
        expect(made).toEqual(hashes);
      }, 30_000);
    }
  }
});

test(
  "a module that throws while it loads fails the task with its error and stack; the worker lives",
  async () => {
    const dir = join(folder, "throwing");
    mkdirSync(join(dir, "node_modules"), { recursive: true });
    symlinkSync(root, join(dir, "node_modules/mobula"));
    writeFileSync(join(dir, "package.json"), `{ "type": "module" }`);
    writeFileSync(
      join(dir, "fragile.ts"),
      `if (process.env.MOBULA_TRAVEL_DRIVER === undefined) {\n  throw new RangeError("not here");\n}\nexport const value = 1;\n`,
    );
    writeFileSync(
      join(dir, "main.ts"),
      `import { get, init, remote } from "mobula";\nimport { value } from "./fragile.ts";\n` +
        "await using _cluster = await init();\nconst pid = remote(() => process.pid);\n" +
        "const fragile = remote(() => value);\nconst before = await get(pid.remote());\n" +
        "const errors = [];\nfor (let i = 0; i < 2; i++) errors.push(await get(fragile.remote()).catch((e) => e));\n" +
        "console.log(JSON.stringify({ same: before === await get(pid.remote()), " +
        "errors: errors.map((e) => [e instanceof RangeError, e.message, e.remoteStack]) }));\n",
    );
    const out = await runProgram("bun", join(dir, "main.ts"), {
      env: { ...env, MOBULA_TRAVEL_DRIVER: "yes" },
      cwd: folder,
    });
    const { same, errors } = JSON.parse(out) as { same: boolean; errors: [boolean, string, string][] };
    expect(same).toBe(true);
    for (const [matches, message, stack] of errors) {
      expect([matches, message]).toEqual([true, "task fragile failed: not here"]);
      expect(stack).toContain("fragile.ts:2:");
    }
    expect(errors).toHaveLength(2);
  },
  30_000,
);

describe("functions that travel as their own text", () => {
  const path = join(import.meta.dirname, "programs/plain_stacks.ts");
  const lines = readFileSync(path, "utf8").split("\n");
  const at = (text: string): string =>
    `plain_stacks.ts:${lines.findIndex((line) => line.includes(text)) + 1}`;
  for (const [i, driver] of RUNTIMES.entries()) {
    test(`fail at the user's lines, from ${driver}`, async () => {
      const out = await runProgram(driver, path, { args: [RUNTIMES[(i + 1) % 3]!], env });
      expect(JSON.parse(out)).toEqual([[at("new RangeError"), at("inner(String")], [at('"sum"')], [at(
        '"captured"',
      )]]);
    }, 30_000);
  }
});
