/** What the command line says to wrong usage and without a cluster; run as a process, under each runtime. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CliSession } from "../support/cli.ts";
import { type Runtime, runtimeCommand, RUNTIMES } from "../support/run_program.ts";

const session = new CliSession();
const { folder, sessionDir } = session;
afterAll(() => session.end());

const mobula = (runtime: Runtime, args: readonly string[], env: Record<string, string> = {}) =>
  session.mobula(args, { runtime, env });

describe("wrong usage exits with 1 and one line", () => {
  writeFileSync(join(folder, "empty"), "");
  const cases: [args: string[], error: string | RegExp][] = [
    [["xyzzy"], /^Unknown command "xyzzy"; known: start, stop, status, .*, help$/],
    [["stauts"], 'Unknown command "stauts"; did you mean status?'],
    [["--json", "status"], /^options go after the command: mobula COMMAND --json; known: start, /],
    [
      ["job"],
      /^Unknown command "job"; known: job submit, job logs, job stop, job list, job status, job show$/,
    ],
    [["job", "stats"], /^Unknown command "job stats"; did you mean (job stop or )?job status\?$/],
    [["help", "xyzzy"], /^Unknown command "xyzzy"; known: /],
    [["status", "--jsn"], /^status: unknown option --jsn; did you mean --json\? known: --json --address /],
    [["status", "extra"], 'status: unexpected argument "extra"'],
    [["status", "--address", "nowhere"], 'address "nowhere" is not HOST:PORT'],
    [["status", "--address", "h:70000"], "address h:70000: port must be in 1 to 65535"],
    [
      ["status", "--address", "127.0.0.1:1", "--token-file", join(folder, "empty")],
      /^Cannot read the token from .*empty: it is empty$/,
    ],
    [["trace"], /^trace: say which task/],
    [["mem", "--group-by", "size"], 'mem: --group-by is one of node, owner, producer, not "size"'],
    [["mem", "--sort", "name"], 'mem: --sort is one of size, age, not "name"'],
    [["show"], /^show: say what/],
    [["show", "x-1"], /^show: "x-1" is no id/],
    [
      ["ls", "things"],
      "ls: say what to list: tasks, actors, objects, nodes, workers, jobs, placement-groups",
    ],
    [
      ["ls", "tasks", "--limit", "0", "--address", "127.0.0.1:1"],
      'ls: --limit must be a number of at least 1, is "0"',
    ],
    [["start"], "start: say either --head or --address HOST:PORT"],
    [["start", "--head", "--address", "a:1"], "start: say either --head or --address HOST:PORT"],
    [["start", "--address", "a:1", "--port", "1"], "start: --port goes with --head"],
    [
      ["start", "--head", "--port", "70000"],
      "start: --port must be a whole number from 0 to 65535, is 70000",
    ],
    [
      ["start", "--head", "--num-gpus", "0.5"],
      "start: --num-gpus must be a whole number of at least 0, is 0.5",
    ],
    [
      ["start", "--head", "--num-cpus", "many"],
      'start: --num-cpus must be a number of at least 0, is "many"',
    ],
    [
      ["start", "--head", "--resources", "{"],
      'start: --resources must be a JSON object of quantities of at least 0, is "{"',
    ],
    [
      ["start", "--head", "--resources", '{"a":-1}'],
      'start: --resources must be a JSON object of quantities of at least 0, is {"a":-1}',
    ],
    [
      ["start", "--head", "--num-cpus", "-1"],
      'start: --num-cpus must be a number of at least 0, is "-1"',
    ],
    [["start", "--head", "--num-cpus=-1"], 'start: --num-cpus must be a number of at least 0, is "-1"'],
    [["start", "--head", "--num-cpus"], "start: --num-cpus needs a value"],
    [["start", "--head", "--labels", "--json"], "start: --labels needs a value; --json is an option"],
    [["stop", "--address", "nowhere"], 'address "nowhere" is not HOST:PORT'],
    [["start", "--head", "--resources", '{"CPU":1}'], "start: --resources must not hold CPU: use --num-cpus"],
    [
      ["start", "--head", "--labels", '{"a":1}'],
      'start: --labels must be a JSON object of texts, is {"a":1}',
    ],
    [["start", "--head", "--runtime", "python"], 'start: --runtime must be bun, deno or node, is "python"'],
    [
      ["start", "--head", "--store", "redis://x"],
      'start: --store must be file:…, http(s)://… or libsql://…, is "redis://x"',
    ],
    [
      ["start", "--head", "--host", "0.0.0.0"],
      /^start: --host 0\.0\.0\.0 is reachable from other machines: .*--insecure/,
    ],
    [
      ["start", "--head", "--tls-cert", "x"],
      "TLS needs all of --tls-cert, --tls-key and --tls-ca: --tls-key is missing",
    ],
    [["start", "--address", "127.0.0.1:1"], /^start: no token for 127\.0\.0\.1:1/],
  ];
  for (const [args, message] of cases) {
    test(["mobula", ...args].join(" "), async () => {
      const { code, out, error } = await mobula("bun", args);
      expect({ code, out, lines: error.split("\n").length }).toEqual({ code: 1, out: "", lines: 1 });
      const text = error.replace(/^mobula: /, "");
      if (typeof message === "string") expect(text).toBe(message);
      else expect(text).toMatch(message);
    });
  }
});

for (const runtime of RUNTIMES) {
  describe(`under ${runtime}`, () => {
    test("without a cluster the exit code is 2, and the line says how to start one", async () => {
      const { code, error } = await mobula(runtime, ["status"]);
      expect({ code, error }).toEqual({
        code: 2,
        error:
          `mobula: No cluster runs here (session folder ${sessionDir}); start one with \`mobula start --head\`, ` +
          "or say which by --address or MOBULA_ADDRESS",
      });
    });

    test("an unreachable address is named, and the exit code is 2", async () => {
      const { code, error } = await mobula(runtime, ["ls", "nodes", "--json"], {
        MOBULA_ADDRESS: "127.0.0.1:1",
        MOBULA_TOKEN: "x",
      });
      expect(code).toBe(2);
      expect(error).toMatch(/^mobula: Cannot reach the cluster: .*127\.0\.0\.1:1/);
    });

    test("a reader that has gone is no failure", async () => {
      const [binary, ...rest] = runtimeCommand(
        runtime,
        join(import.meta.dirname, "../../runtime/cli/main.ts"),
      );
      const child = spawn(binary!, [...rest, "help"], {
        env: session.env,
        stdio: ["ignore", "pipe", "pipe"],
      });
      child.stdout.destroy();
      let error = "";
      child.stderr.on("data", (chunk) => error += chunk);
      const code = await new Promise((resolve) => child.on("close", resolve));
      expect({ code, error }).toEqual({ code: 0, error: "" });
    });

    test("help and version are on stdout, and stop without a cluster is no failure", async () => {
      const help = await mobula(runtime, ["help", "start"]);
      expect({ code: help.code, error: help.error }).toEqual({ code: 0, error: "" });
      expect(help.out).toContain("--object-store-bytes N");
      const version =
        JSON.parse(readFileSync(join(import.meta.dirname, "../../package.json"), "utf8")).version;
      expect(await mobula(runtime, ["--version"])).toEqual({ code: 0, out: `${version}\n`, error: "" });
      const stop = await mobula(runtime, ["stop"]);
      expect(stop).toEqual({ code: 0, out: `nothing runs here (session ${sessionDir})\n`, error: "" });
    });
  });
}
