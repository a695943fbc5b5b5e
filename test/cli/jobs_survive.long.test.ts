/** Submitted jobs and what dies around them: their submitter, the head, their agent, the whole cluster. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { SubmissionRow } from "../../runtime/common/submission.ts";
import type { ClusterFile } from "../../runtime/process/config.ts";
import { CliSession } from "../support/cli.ts";
import { endProcess, isAlive } from "../support/processes.ts";
import { runtimeCommand } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

/** Counts on, a line each time that the file's contents grow, until it says end; runs tasks meanwhile. */
const COUNTS = `
import { get, remote } from "mobula";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
const child = spawn("sleep", ["1000"], { stdio: "ignore" });
const same = remote((x: number) => x);
console.log("pids", process.pid, child.pid);
let seen = "";
for (let i = 0;; i++) {
  const text = readFileSync(process.argv[2]!, "utf8");
  if (text === seen) { await new Promise((resolve) => setTimeout(resolve, 10)); continue; }
  seen = text;
  console.log("line", await get(same.remote(text.length)));
  if (text.endsWith("end")) break;
}
child.kill();
`;
const SMALL = ["--num-cpus", "1", "--object-store-bytes", "16777216"];

let session: CliSession;
let head: ClusterFile;
let file = "";
let orders = "";
beforeEach(async () => {
  session = new CliSession();
  const folder = join(session.folder, "app");
  mkdirSync(folder);
  orders = join(session.folder, "orders");
  writeFileSync(orders, "");
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  file = join(folder, "app.ts");
  writeFileSync(file, COUNTS);
  head = await session.json("start", "--head", "--port", "0", "--dashboard-port", "0", ...SMALL);
});
afterEach(() => session.end());

const show = (id: string) => session.json<SubmissionRow>("job", "show", id);

/** A command line that runs beside the test. */
function begin(
  ...args: string[]
): { child: ReturnType<typeof spawn>; out: () => string; ended: Promise<number | null> } {
  const [binary, ...rest] = runtimeCommand("bun", join(import.meta.dirname, "../../runtime/cli/main.ts"));
  const child = spawn(binary!, [...rest, ...args], {
    env: session.env as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "ignore"],
  });
  let out = "";
  child.stdout!.on("data", (chunk) => out += chunk);
  return { child, out: () => out, ended: new Promise((resolve) => child.on("close", resolve)) };
}

/** The pid of the session's head or agent. */
async function pidOf(entry: string): Promise<number> {
  const { readdir, readFile } = await import("node:fs/promises");
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const command = await readFile(`/proc/${name}/cmdline`, "latin1").catch(() => "");
    const environment = await readFile(`/proc/${name}/environ`, "latin1").catch(() => "");
    if (command.includes(entry) && environment.includes(session.sessionDir) && isAlive(Number(name))) {
      return Number(name);
    }
  }
  return 0;
}

async function pids(out: () => string): Promise<number[]> {
  const found = await waitFor("it runs", () => /pids (\d+) (\d+)\n/.exec(out()));
  return found.slice(1).map(Number);
}

test(
  "a head that is killed: the program goes on, its follower too, and nothing it printed is lost",
  async () => {
    const run = begin("run", "--id", "goes-on", file, orders);
    const [pid] = await pids(run.out);
    writeFileSync(orders, "1");
    await waitFor("a line", () => run.out().includes("line 1\n"));
    await endProcess(await pidOf("head_main.ts"));
    writeFileSync(orders, "22");
    await waitFor("another head", () => pidOf("head_main.ts"));
    await waitFor("a line", () => run.out().includes("line 2\n"));
    expect(await show("goes-on")).toMatchObject({ state: "RUNNING", pid: pid! });
    writeFileSync(orders, "33end");
    expect(await run.ended).toBe(0);
    expect(run.out()).toBe(`${run.out().split("\n")[0]}\nline 1\nline 2\nline 5\n`);
    expect(await show("goes-on")).toMatchObject({ state: "SUCCEEDED", exitCode: 0 });
  },
  60_000,
);

test(
  "a submitter that is killed leaves its job running; another one follows it from the beginning",
  async () => {
    const run = begin("run", "--id", "stays", file, orders);
    await pids(run.out);
    run.child.kill("SIGKILL");
    await run.ended;
    const again = begin("job", "logs", "-f", "stays");
    await pids(again.out);
    again.child.kill("SIGHUP");
    expect(await again.ended).toBe(0);
    const last = begin("job", "logs", "-f", "stays");
    writeFileSync(orders, "end");
    expect(await last.ended).toBe(0);
    expect(last.out()).toEndWith("line 3\n");
  },
  60_000,
);

test(
  "JOB-05 an agent that is killed: its program and what that started are gone, the job FAILED with the reason",
  async () => {
    const run = begin("run", "--id", "lost", file, orders);
    const both = await pids(run.out);
    await endProcess(await pidOf("agent_main.ts"));
    await waitFor("program and child are gone", () => !both.some(isAlive));
    expect(await run.ended).toBe(3);
    const row = await show("lost");
    expect(row).toMatchObject({ state: "FAILED", exitCode: null, signal: null });
    expect(row.message).toMatch(/node n-\w+ (died|and)|agent/);
    // Its words are still there, and the node takes jobs again.
    expect((await session.mobula(["job", "logs", "lost"])).out).toStartWith("pids ");
    writeFileSync(orders, "end");
    expect((await session.mobula(["run", file, orders])).code).toBe(0);
  },
  60_000,
);

test("a cluster that is stopped ends its jobs; started again, it knows how they ended", async () => {
  const run = begin("job", "submit", "--id", "with-all", "--", file, orders);
  const both = await pids(run.out);
  await session.mobula(["stop"]);
  expect(both.some(isAlive)).toBe(false);
  run.child.kill("SIGKILL");
  await session.json("start", "--head", "--port", "0", "--dashboard-port", "0", ...SMALL);
  expect(await show("with-all")).toMatchObject({ state: "FAILED", exitCode: null });
  expect(existsSync(join(session.sessionDir, "logs", "driver-with-all.out"))).toBe(true);
  expect(readFileSync(join(session.sessionDir, "logs", "driver-with-all.out"), "utf8")).toStartWith("pids ");
}, 60_000);

test("a job for a node that has left waits for it, and is stopped before", async () => {
  const { nodeId } = await session.json<ClusterFile>("start", "--address", head.address, ...SMALL);
  await session.json("drain", nodeId);
  await waitFor("the node has left", async () => {
    const { nodes } = await session.json<{ nodes: { nodeId: string; state: string }[] }>("status");
    return nodes.find((node) => node.nodeId === nodeId)!.state === "DEAD";
  });
  const id = (await session.mobula(["job", "submit", "--detach", "--node", nodeId, "--", file, orders]))
    .out.trim();
  expect(await show(id)).toMatchObject({
    state: "PENDING",
    message: `it waits for node ${nodeId}`,
    pid: null,
  });
  expect(await session.json<object>("job", "stop", id)).toMatchObject({
    stopped: true,
    job: { state: "STOPPED" },
  });
  expect((await session.mobula(["job", "logs", "-f", id])).code).toBe(3);
}, 60_000);
