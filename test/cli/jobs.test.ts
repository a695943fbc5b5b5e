/** Submitted jobs, by the command line and over HTTP, on one real cluster: what they print, how they end, who may. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { SubmissionRow } from "../../runtime/common/submission.ts";
import { CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { isAlive } from "../support/processes.ts";
import { runtimeCommand } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
const session = new CliSession();
let api = "";
let token = "";
let address = "";

/** Prints pids of itself, of a child that takes no notice of SIGTERM and of one in a session of its own, and stays. */
const STAYS = `
import { spawn } from "node:child_process";
const child = spawn("/bin/sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], { stdio: "ignore" });
const away = spawn("sleep", ["1000"], { stdio: "ignore", detached: true });
process.on("SIGTERM", () => {});
console.log("pids", process.pid, child.pid, away.pid);
setInterval(() => {}, 1000);
`;

/** A folder with these files; the path of its first. */
let folders = 0;
function program(files: Record<string, string>): string {
  const folder = join(session.folder, `app${++folders}`);
  for (const [path, text] of Object.entries({ "package.json": '{"type":"module"}', ...files })) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return join(folder, Object.keys(files)[0]!);
}

const show = (id: string) => session.json<SubmissionRow>("job", "show", id);

async function submitted(file: string, ...flags: string[]): Promise<string> {
  return (await session.json<{ submissionId: string }>(
    "job",
    "submit",
    "--detach",
    ...flags,
    "--json",
    "--",
    file,
  ))
    .submissionId;
}

beforeAll(async () => {
  const small = ["--num-cpus", "2", "--object-store-bytes", "67108864"];
  const started = await session.json<{ dashboardUrl: string; address: string }>(
    ...["start", "--head", "--port", "0", "--dashboard-port", "0", ...small],
  );
  api = `${started.dashboardUrl}api/v1`;
  ({ address } = started);
  token = readFileSync(join(session.sessionDir, "token"), "utf8").trim();
});
afterAll(async () => {
  await session.end();
  await leftovers.check();
});

test(
  "JOB-01 run: the program's stdout and stderr to the byte, its tasks, its folder, its arguments; exit 0",
  async () => {
    const file = program({
      "app.ts": `
      import { get, remote } from "mobula";
      import { readFileSync } from "node:fs";
      const twice = remote((x: number) => ({ value: 2 * x, level: process.env.LEVEL }));
      const { value, level } = await get(twice.remote(21));
      process.stdout.write(\`\${value} \${level} \${readFileSync("data/in.txt", "utf8")} \${process.argv.slice(2)} \\u00e9\`);
      process.stderr.write("no newline at the end");
    `,
      "data/in.txt": "hello",
      "node_modules/left/index.js": "x".repeat(100_000),
      ".git/config": "x",
    });
    const { code, out, error } = await session.mobula([
      "run",
      "--env",
      "LEVEL=3=x",
      file,
      "-f",
      "--json",
      "a b",
    ]);
    expect({ code, out }).toEqual({ code: 0, out: "42 3=x hello -f,--json,a b é" });
    const lines = error.split("\n");
    expect(lines[0]).toMatch(/^mobula: \/\S+\/app\d+: 3 files, \d+ B \(without \.git, node_modules and /);
    expect(lines.slice(1, 4).map((line) => line.split(" ").at(-1))).toEqual([
      "app.ts",
      "package.json",
      "data/in.txt",
    ]);
    expect(lines.at(-1)).toBe("no newline at the end");
  },
  20_000,
);

test(
  "JOB-01 a program that fails: exit 3, and its code, its last words and its driver's job are kept",
  async () => {
    const file = program({
      "app.ts": `import { get, remote } from "mobula";
      await get(remote(() => 1).remote());
      console.log("before"); throw new TypeError("of the program's own");`,
    });
    const { code, out, error } = await session.mobula(["run", "--id", "fails", "--name", "nightly", file]);
    expect({ code, out }).toEqual({ code: 3, out: "before\n" });
    expect(error).toEndWith("mobula: job fails FAILED: it ended with exit code 1");
    const row = await show("fai");
    expect(row).toMatchObject({
      state: "FAILED",
      exitCode: 1,
      signal: null,
      jobId: expect.stringMatching(/^j-/),
    });
    expect(row.message).toMatch(
      /^it ended with exit code 1; its last words:\n[\s\S]*TypeError: of the program's own/,
    );
    expect(row.endedMs!).toBeGreaterThanOrEqual(row.startedMs!);
    const listed = await session.mobula(["job", "list"]);
    expect(listed.out).toMatch(/^fails +FAILED +1 +nightly +app\.ts +n-\w+ +j-\w+ /m);
  },
  20_000,
);

test(
  "JOB-04 stop ends a program, its child that takes no notice of SIGTERM and one in another session; followers hear of it; exit 3",
  async () => {
    const id = await submitted(program({ "stays.ts": STAYS }));
    const [binary, ...rest] = runtimeCommand("bun", join(import.meta.dirname, "../../runtime/cli/main.ts"));
    const follower = spawn(binary!, [...rest, "job", "logs", "-f", id], {
      env: session.env as NodeJS.ProcessEnv,
      stdio: ["ignore", "pipe", "ignore"],
    });
    let out = "";
    follower.stdout.on("data", (chunk) => out += chunk);
    const ended = new Promise((resolve) => follower.on("close", resolve));
    const pids = (await waitFor("its output is followed", () => /pids (\d+) (\d+) (\d+)\n/.exec(out))).slice(
      1,
    ).map(
      Number,
    );
    expect(pids.map(isAlive)).toEqual([true, true, true]);
    const stopping = performance.now();
    expect(await session.json<{ stopped: boolean; job: SubmissionRow }>("job", "stop", id)).toMatchObject({
      stopped: true,
      job: { state: "STOPPED", exitCode: null, signal: "SIGKILL" },
    });
    expect(performance.now() - stopping).toBeGreaterThan(2_900);
    await waitFor("all are gone", () => !pids.some(isAlive));
    expect(await ended).toBe(3);
    expect(await session.json<{ stopped: boolean }>("job", "stop", id)).toMatchObject({ stopped: false });
  },
  20_000,
);

test("the driver's job succeeds with its program, also when that ends by process.exit(0)", async () => {
  const file = program({
    "app.ts": `import { get, remote } from "mobula"; await get(remote(() => 1).remote()); process.exit(0);`,
  });
  expect((await session.mobula(["run", "--id", "exits", file])).code).toBe(0);
  const { jobId } = await waitFor("its job is known", async () => {
    const row = await show("exits");
    return row.jobId !== null && row;
  });
  const [job] = await waitFor("its job has ended", async () => {
    const rows = await session.json<{ state: string; message: string }[]>("show", jobId!);
    return rows[0]!.state !== "RUNNING" && rows;
  });
  expect(job).toMatchObject({ state: "SUCCEEDED", message: "its program ended with exit code 0" });
}, 20_000);

test("OBS-04 jobs of submitted programs and of other drivers are told apart, also by a filter", async () => {
  const file = program({
    "app.ts": `import { get, remote } from "mobula"; await get(remote(() => 1).remote());`,
  });
  expect((await session.mobula(["run", "--id", "told-apart", file])).code).toBe(0);
  const [binary, ...rest] = runtimeCommand(
    "bun",
    join(import.meta.dirname, "../e2e/programs/plain_driver.ts"),
  );
  const env = { ...session.env, MOBULA_ADDRESS: address, MOBULA_TOKEN: token } as NodeJS.ProcessEnv;
  const driver = spawn(binary!, rest, { env, stdio: "ignore" });
  await new Promise((resolve) => driver.on("exit", resolve));
  const list = (type: string) =>
    session.json<{ type: string; submissionId: string | null; pid: number }[]>("ls", "jobs", `type=${type}`);
  const [submissions, drivers] = await Promise.all([list("SUBMISSION"), list("DRIVER")]);
  expect(submissions.map((row) => row.submissionId)).toContain("told-apart");
  expect(submissions.every((row) => row.type === "SUBMISSION" && row.submissionId !== null)).toBe(true);
  expect(drivers.map((row) => [row.type, row.submissionId, row.pid])).toEqual([[
    "DRIVER",
    null,
    driver.pid!,
  ]]);
}, 20_000);

test("Ctrl-C without a terminal stops the job", async () => {
  const file = program({ "stays.ts": "console.log('here'); setInterval(() => {}, 1000);" });
  const [binary, ...rest] = runtimeCommand("bun", join(import.meta.dirname, "../../runtime/cli/main.ts"));
  const child = spawn(binary!, [...rest, "run", "--id", "interrupted", file], {
    env: session.env as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  child.kill("SIGINT");
  expect(await ended).toBe(3);
  expect(await show("interrupted")).toMatchObject({ state: "STOPPED", signal: "SIGTERM" });
}, 20_000);

test("JOB-02 an id is taken once, also when two ask at the same time", async () => {
  const file = program({ "app.ts": "" });
  const both = await Promise.all(
    [1, 2].map(() => session.mobula(["job", "submit", "--detach", "--id", "same", "--", file])),
  );
  expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
  const again = await session.mobula(["job", "submit", "--detach", "--id", "same", "--", file]);
  expect([again.code, again.error.split("\n").at(-1)]).toEqual([
    1,
    "mobula: a job with the id same exists already: choose another one",
  ]);
  await waitFor("the first succeeds", async () => (await show("same")).state === "SUCCEEDED");
}, 20_000);

test(
  "JOB-14 job and init: variables merge, another runtime is refused, and overrides where it is asked for",
  async () => {
    const text = (env: string) =>
      `import { get, init, remote } from "mobula";
     await init({ runtimeEnv: ${env} });
     console.log(JSON.stringify(await get(remote(() => [process.env.A, process.env.B]).remote())));`;
    const merged = program({ "app.ts": text('{ env: { B: "init" } }') });
    expect((await session.mobula(["run", "--env", "A=job", merged])).out).toBe('["job","init"]\n');
    const differs = program({ "app.ts": text('{ env: { A: "init" } }') });
    const refused = await session.mobula(["run", "--env", "A=job", differs]);
    expect(refused.code).toBe(3);
    expect(refused.error).toContain("init() and the submitted job disagree on runtimeEnv.env.A");
    const flags = ["--env", "A=job", "--env", "MOBULA_OVERRIDE_JOB_RUNTIME_ENV=1"];
    expect((await session.mobula(["run", ...flags, differs])).out).toBe('["init",null]\n');
  },
  20_000,
);

test(
  "what cannot travel is named: the limit and the file, a program that is not there or outside",
  async () => {
    const file = program({ "app.ts": "", "large.bin": "x".repeat(50_000), "b.txt": "y" });
    const small = await session.mobula(["run", file], { env: { MOBULA_MAX_WORKING_DIR_BYTES: "20000" } });
    expect(small.code).toBe(1);
    expect(small.error).toMatch(
      /more than 20000 bytes; its largest files: large\.bin \(50000\).*--exclude PATTERN/,
    );
    const fits = ["job", "submit", "--detach", "--exclude", "*.bin", "--", file];
    expect((await session.mobula(fits, { env: { MOBULA_MAX_WORKING_DIR_BYTES: "20000" } })).code).toBe(0);
    const wrong = async (...args: string[]) => (await session.mobula(args)).error.split("\n").at(-1);
    expect(await wrong("run", "nowhere.ts")).toStartWith(
      "mobula: there is no program nowhere.ts (looked at /",
    );
    expect(await wrong("run", "--working-dir", join(dirname(file), ".."), "/etc/hostname"))
      .toContain("is not inside of --working-dir");
    expect(await wrong("run", "--env", "A", file)).toBe('mobula: run: --env must be NAME=VALUE, is "A"');
    expect(await wrong("run", "--node", "n-0000000000000000", "--exclude", "*.bin", file)).toBe(
      'mobula: There is no node "n-0000000000000000"; `mobula ls nodes` lists them',
    );
    expect(await wrong("run")).toBe("mobula: run: say which program, such as app.ts");
    expect(await wrong("job", "stop", "nobody")).toBe(
      'mobula: there is no submitted job "nobody"; `mobula job list` lists them',
    );
  },
  20_000,
);

describe("over HTTP", () => {
  const ask = (path: string, init: RequestInit = {}, bearer: string | null = token) =>
    fetch(`${api}${path}`, {
      ...init,
      headers: bearer === null ? init.headers ?? {} : { authorization: `Bearer ${bearer}`, ...init.headers },
    });
  const post = (path: string, body: unknown, bearer?: string | null) =>
    ask(path, { method: "POST", body: JSON.stringify(body) }, bearer);

  test("JOB-08 submit with files and metadata, wait, and read what it printed", async () => {
    const files = {
      "src/app.ts": "import { word } from './word.ts'; console.log(word); console.error('e');",
      "src/word.ts": "export const word = 'http';",
    };
    const plain = await post("/jobs", { program: "src/app.ts", files });
    expect(plain.status).toBe(201);
    const { submissionId } = await plain.json() as { submissionId: string };
    const row = await (await ask(`/jobs/${submissionId}?waitMs=10000`)).json() as SubmissionRow;
    expect(row).toMatchObject({
      state: "SUCCEEDED",
      exitCode: 0,
      metadata: { job_name: submissionId, job_submission_id: submissionId },
    });
    expect(await (await ask(`/jobs/${submissionId}/logs?stream=stdout`)).text()).toBe("http\n");
    expect(await (await ask(`/jobs/${submissionId}/logs?stream=stderr&follow=1`)).text()).toBe("e\n");
    expect((await (await ask(`/jobs/${submissionId}/logs`)).text()).split("\n").sort()).toEqual([
      "",
      "e",
      "http",
    ]);
    const metadata = { job_name: "mine", team: "blue" };
    const named = await (await post("/jobs", { program: "src/app.ts", files, metadata }))
      .json() as SubmissionRow;
    const shown = await (await ask(`/jobs/${named.submissionId}`)).json() as SubmissionRow;
    expect(shown.metadata).toEqual({ ...metadata, job_submission_id: named.submissionId });
    const { rows } = await (await ask("/submissions")).json() as { rows: SubmissionRow[] };
    expect(rows[0]!.submissionId).toBe(named.submissionId);
  }, 20_000);

  test("follow a job and stop it", async () => {
    const { submissionId } = await (await post("/jobs", { program: "a.js", files: { "a.js": STAYS } }))
      .json() as {
        submissionId: string;
      };
    const logs = ask(`/jobs/${submissionId}/logs?follow=1`).then((answer) => answer.text());
    await waitFor("it runs", async () => (await show(submissionId)).state === "RUNNING");
    const stop = await post(`/jobs/${submissionId}/stop`, {});
    expect([stop.status, await stop.json()]).toEqual([200, { stopped: true }]);
    await logs;
    expect((await show(submissionId)).state).toBe("STOPPED");
  }, 20_000);

  test("JOB-07 unknown ids are 404, what cannot be meant is 400, and nothing is submitted by it", async () => {
    const before = await (await ask("/submissions")).text();
    for (const path of ["/jobs/nobody", "/jobs/nobody/logs"]) expect((await ask(path)).status).toBe(404);
    expect((await post("/jobs/nobody/stop", {})).status).toBe(404);
    const wrong: [unknown, RegExp][] = [
      [{ program: "a.ts", colour: "red" }, /A job has no \\"colour\\"/],
      [{}, /needs a program/],
      [{ program: "../a.ts" }, /inside of the working folder/],
      [{ program: "a.ts", args: "x" }, /args must be an array/],
      [{ program: "a.ts", runtime: "python" }, /runtime must be bun, deno or node/],
      [{ program: "a.ts", env: { "A=": "x" } }, /impossible name/],
      [{ program: "a.ts", submissionId: "../x" }, /submissionId must be/],
      [{ program: "a.ts", files: { "../x": "" } }, /does not stay in its folder/],
      [{ program: "a.ts", files: { x: 1 } }, /files must be/],
      [[], /must be a JSON object/],
    ];
    for (const [body, message] of wrong) {
      const answer = await post("/jobs", body);
      expect([answer.status, await answer.text()]).toEqual([400, expect.stringMatching(message)]);
    }
    expect((await ask("/jobs/fails/logs?stream=all")).status).toBe(400);
    expect(await (await ask("/submissions")).text()).toBe(before);
  });

  test("only the token may submit and stop: neither a stranger nor a browser that is signed in", async () => {
    expect((await post("/jobs", { program: "a.ts" }, null)).status).toBe(401);
    expect((await post("/jobs", { program: "a.ts" }, "wrong")).status).toBe(401);
    const { out } = await session.mobula(["status"]);
    const link = /http\S+\?ticket=\S+/.exec(out)![0];
    const cookie = (await fetch(link, { redirect: "manual" })).headers.get("set-cookie")!.split(";")[0]!;
    const signedIn = { headers: { cookie } };
    expect((await ask("/submissions", signedIn, null)).status).toBe(200);
    for (const path of ["/jobs", "/jobs/fails/stop"]) {
      expect((await ask(path, { method: "POST", body: "{}", ...signedIn }, null)).status).toBe(403);
    }
    const other = { origin: "http://evil.example" };
    expect((await ask("/jobs", { method: "POST", body: "{}", headers: other })).status).toBe(403);
  });
});
