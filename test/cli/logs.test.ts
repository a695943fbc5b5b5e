/** `mobula logs` and the endpoints of the Logs page: lines of two hosts' folders, of an actor, and of a worker that is dead. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { get, nodes, remote, runtimeContext } from "mobula";
import type { LogFileRow, LogLine, LogPart } from "../../runtime/common/log_query.ts";
import type { LocalCluster } from "../../runtime/process/local_cluster.ts";
import { endAttached, startAttached } from "../support/attach.ts";
import { type CliResult, CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { StartedProgram } from "../support/started_program.ts";

const leftovers = watchLeftovers();
/** A second host, as far as logs go: an agent with a session folder of its own. */
const other = new CliSession();
let cluster: LocalCluster;
let tasks: string[];

const say = remote((word: string) => {
  console.log(`hello ${word}`);
  console.error(`trouble ${word}`);
  return runtimeContext().taskId!;
}, { name: "say" });
const die = remote(() => {
  console.log("last words");
  process.kill(process.pid, "SIGKILL");
}, { name: "die", maxRetries: 0 });
const Counter = remote(
  class Counter {
    count(): void {
      for (let i = 0; i < 300; i++) console.log(`count ${i}`);
    }
  },
);

beforeAll(async () => {
  cluster = await startAttached({ numCpus: 2, dashboard: true, dashboardPort: 0 });
  const token = ["--token-file", join(cluster.sessionDir, "token")];
  await other.json("start", "--address", cluster.address, "--num-cpus", "1", ...token);
  const all = await nodes();
  expect(all.length).toBe(2);
  const calls = all.map(({ nodeId }, i) =>
    say.options({ schedulingStrategy: { nodeId } }).remote(`node ${i}`)
  );
  tasks = await get(calls);
  await get(die.remote()).catch(() => {});
  await get(Counter.options({ name: "abacus" }).remote().count.remote());
}, 60_000);
afterAll(async () => {
  await endAttached(cluster);
  await other.end();
  await leftovers.check();
});

const env = (): Record<string, string> => ({ MOBULA_SESSION_DIR: cluster.sessionDir });
const logs = (...args: string[]): Promise<CliResult> => other.mobula(["logs", ...args], { env: env() });

async function lines(...args: string[]): Promise<LogLine[]> {
  const { code, out, error } = await logs(...args, "--json");
  expect({ code, error }).toEqual({ code: 0, error: "" });
  return out.trimEnd().split("\n").map((line) => JSON.parse(line) as LogLine);
}

async function api<T>(path: string): Promise<T> {
  const token = readFileSync(join(cluster.sessionDir, "token"), "utf8").trim();
  const response = await fetch(new URL(`api/v1/${path}`, cluster.dashboardUrl!), {
    headers: { authorization: `Bearer ${token}` },
  });
  if (response.headers.get("content-type")!.startsWith("text/plain")) return await response.text() as T;
  return await response.json() as T;
}

test("lines of all nodes, dead workers included, with who printed them", async () => {
  const hello = await lines("--grep", "^hello");
  expect(
    hello.map(({ text, task, level }) => ({ text, task, level })).sort((a, b) => a.text < b.text ? -1 : 1),
  )
    .toEqual(tasks.map((task, i) => ({ text: `hello node ${i}`, task: task as never, level: "info" })));
  expect(new Set(hello.map(({ node }) => node)).size).toBe(2);
  expect(new Set(hello.map(({ file }) => file)).size).toBe(2);
  expect(await lines("--task", "die")).toMatchObject([{
    text: "last words",
    name: expect.stringMatching(/^die#\d+$/),
  }]);
  expect((await lines(tasks[1]!)).map(({ text }) => text)).toEqual(["hello node 1", "trouble node 1"]);
  expect((await lines("--level", "error", "--task", "say")).length).toBe(2);
  expect((await lines("--actor", "abacus", "--tail", "7")).map(({ text }) => text))
    .toEqual(Array.from({ length: 7 }, (_, i) => `count ${293 + i}`));
  expect((await lines("--actor", "Counter", "--tail", "0")).length).toBe(300);
  const { out } = await logs("--task", "die");
  expect(out).toMatch(/^\d\d:\d\d:\d\d\.\d{3} \(die#\d+ pid=\d+ n-[\da-f]{8}\) last words\n$/);
}, 20_000);

test("what cannot be meant is one line and exit code 1, and so is nothing found", async () => {
  expect(await logs("--grep", "(")).toMatchObject({
    code: 1,
    error: expect.stringContaining("--grep: Invalid regular"),
  });
  expect(await logs("--level", "loud")).toMatchObject({
    code: 1,
    error: expect.stringContaining("--level is one of"),
  });
  expect(await logs("--since", "soon")).toMatchObject({
    code: 1,
    error: expect.stringContaining("--since is a time"),
  });
  expect(await logs("t-nobody")).toEqual({
    code: 1,
    out: "",
    error: "mobula: logs: no line of t-nobody is kept that matches",
  });
}, 20_000);

test("-f shows lines as they come, each once", async () => {
  const program = new StartedProgram("bun", "runtime/cli/main.ts", {
    args: ["logs", "-f", "--grep", "^hello", "--tail", "1", "--json"],
    env: env(),
  });
  try {
    await program.line();
    const seen: string[] = [];
    for (const word of ["again", "once more"]) {
      await get(say.remote(word));
      seen.push((JSON.parse(await program.line()) as LogLine).text);
    }
    expect(seen).toEqual(["hello again", "hello once more"]);
  } finally {
    program.kill("SIGKILL");
    await program.ended;
  }
}, 20_000);

test("the page's endpoints: search page by page, a line in its place, a whole file, no paths", async () => {
  interface Page {
    lines: LogLine[];
    next: string | null;
  }
  const found: LogLine[] = [];
  let next: string | null = "";
  while (next !== null) {
    const page: Page = await api<Page>(`logs/search?actor=abacus&q=%5Ecount&limit=120&after=${next}`);
    found.push(...page.lines);
    next = page.next;
  }
  expect(found.map(({ text }) => text)).toEqual(Array.from({ length: 300 }, (_, i) => `count ${299 - i}`));
  const line = found[100]!;
  const part = await api<LogPart>(`logs/tail?id=${line.file}&after=${line.offset}&before=2&limit=3`);
  expect(part.lines.map(({ text }) => text)).toEqual([197, 198, 199, 200, 201].map((n) => `count ${n}`));
  const { files } = await api<{ files: LogFileRow[] }>("logs/files");
  expect(files.find(({ file }) => file === line.file)).toMatchObject({ source: line.source, pid: line.pid });
  const raw = await api<string>(`logs/raw?id=${line.file}`);
  expect(raw).toContain("count 0\n");
  expect(raw).not.toContain("\x1e");
  const problem = { error: { code: "NOT_FOUND" } };
  for (const id of ["../../token", "%2Fetc%2Fpasswd", "head.log"]) {
    expect(await api<object>(`logs/tail?id=${id}`)).toMatchObject(problem);
    expect(await api<object>(`logs/raw?id=${id}`)).toMatchObject(problem);
  }
  expect(await api<object>("logs/search?q=(")).toMatchObject({ error: { code: "BAD_REQUEST" } });
  expect(await api<object>("logs/search?after=x")).toMatchObject({ error: { code: "BAD_REQUEST" } });
  const sources = files.map(({ source }) => source);
  // The other folder's agent belongs to a supervisor.
  expect(sources).toContain("supervisor");
}, 20_000);
