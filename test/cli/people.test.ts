/** The commands that people look with: ls, summary, show, status, top, ui, and the shells' completion, on one real cluster. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TopSnapshot } from "../../runtime/cli/top_view.ts";
import { topLines } from "../../runtime/cli/top_view.ts";
import { CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { runtimeCommand } from "../support/run_program.ts";
import { waitFor } from "../support/wait_for.ts";

type Row = Record<string, unknown>;

const leftovers = watchLeftovers();
const session = new CliSession();
const main = join(import.meta.dirname, "../../runtime/cli/main.ts");

/** 30 tasks of one function, 2 of one that fails, an actor; then it stays. */
const PROGRAM = `
import { get, init, remote } from "mobula";
await init();
const same = remote(function same(x: number) { return x; });
const fails = remote(function fails() { throw new Error("on purpose"); }, { maxRetries: 0 });
await get(Array.from({ length: 30 }, (_, i) => same.remote(i)));
await Promise.allSettled([get(fails.remote()), get(fails.remote())]);
class Box { hold() { return 1; } }
const box = remote(Box).remote();
await get(box.hold.remote());
console.log("ready");
setInterval(() => box, 1000);
`;

beforeAll(async () => {
  const small = ["--num-cpus", "2", "--object-store-bytes", "268435456"];
  await session.json("start", "--head", "--port", "0", "--dashboard-port", "0", ...small);
  mkdirSync(join(session.folder, "app"));
  writeFileSync(join(session.folder, "app", "package.json"), '{"type":"module"}');
  writeFileSync(join(session.folder, "app", "app.ts"), PROGRAM);
  await session.mobula([
    "job",
    "submit",
    "--detach",
    "--id",
    "people",
    "--",
    join(session.folder, "app", "app.ts"),
  ]);
  await waitFor(
    "it is ready",
    async () => (await session.mobula(["job", "logs", "people"])).out === "ready\n",
  );
  await waitFor("its tasks are told", async () => (await sums()).get("same FINISHED") === 30);
});
afterAll(async () => {
  await session.end();
  await leftovers.check();
});

/** Counts by name and state. */
async function sums(): Promise<Map<string, unknown>> {
  const { rows } = await session.json<{ rows: Row[] }>("summary", "tasks", "--by", "name,state");
  return new Map(rows.map((row) => [`${row["name"]} ${row["state"]}`, row["count"]]));
}

test("summary counts exactly, by the columns that are asked for", async () => {
  const counts = await sums();
  expect([counts.get("same FINISHED"), counts.get("fails FAILED")]).toEqual([30, 2]);
  const failed = await session.json<{ rows: Row[]; total: number }>(
    "summary",
    "tasks",
    "state=FAILED",
    "--by",
    "name",
  );
  expect([failed.rows.map(({ name, count }) => [name, count]), failed.total]).toEqual([[["fails", 2]], 2]);
  const text = await session.mobula(["summary", "tasks", "--by", "name,state"]);
  expect(text.out).toMatch(/^same +FINISHED +30 /m);
  const wrong = await session.mobula(["summary", "tasks", "--by", "colour"]);
  expect([wrong.code, wrong.error]).toEqual([1, expect.stringContaining('no column "colour"')]);
});

test("ls has all rows, as a table, as one array and a row a line; what is cut is told", async () => {
  const all = await session.json<Row[]>("ls", "tasks", "name=same");
  expect(all).toHaveLength(30);
  const lines = (await session.mobula(["ls", "tasks", "name=same", "--ndjson"])).out.trim().split("\n");
  expect(lines.map((line) => JSON.parse(line))).toEqual(all);
  const table = (await session.mobula(["ls", "tasks", "name=same"])).out.trim().split("\n");
  expect(table).toHaveLength(31);
  const cut = await session.mobula(["ls", "tasks", "name=same", "--limit", "10", "--ndjson"]);
  const cursor = /^mobula: showing 10 of 30; --after (\S+) shows what follows$/.exec(cut.error)![1]!;
  const rest = await session.mobula(["ls", "tasks", "name=same", "--after", cursor, "--ndjson"]);
  expect([...cut.out.trim().split("\n"), ...rest.out.trim().split("\n")]).toEqual(lines);
  expect(await session.json<Row[]>("ls", "tasks", "name=nobody")).toEqual([]);
});

test("show takes any id by its beginning, and lists what else begins so", async () => {
  const [{ actorId }] = await session.json<[{ actorId: string }]>("ls", "actors");
  const [row] = await session.json<Row[]>("show", actorId.slice(0, 8));
  expect(row).toMatchObject({ actorId, className: "Box", state: "ALIVE" });
  expect((await session.json<Row[]>("show", actorId.slice(2, 10)))[0]).toMatchObject({ actorId });
  const [{ taskId }] = await session.json<[{ taskId: string }]>("ls", "tasks", "name=fails");
  const many = await session.mobula(["show", taskId.slice(0, 10)]);
  expect(many.code).toBe(1);
  expect(many.error).toMatch(/^mobula: show: "t-\w+" begins \d+ ids: t-\S+, t-\S+, .* more$/);
  expect((await session.json<Row[]>("show", "people"))[0]).toMatchObject({
    submissionId: "people",
    state: "RUNNING",
  });
  expect((await session.mobula(["show", "ffffffffffffff"])).code).toBe(1);
});

test("status answers at once, and tells what needs attention; --watch goes on", async () => {
  const took: number[] = [];
  for (let i = 0; i < 3; i++) {
    const before = performance.now();
    expect((await session.mobula(["status"])).out).toMatch(
      /bad +2 of 2 attempts of fails failed: .*on purpose/,
    );
    took.push(performance.now() - before);
  }
  // 0.06 s of processor time; the rest is others' share of the machine.
  expect(Math.min(...took)).toBeLessThan(3_000);
  const [binary, ...rest] = runtimeCommand("bun", main);
  const child = spawn(binary!, [...rest, "status", "--watch", "--json", "--interval", "0.1"], {
    env: session.env as NodeJS.ProcessEnv,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk) => out += chunk);
  const ended = new Promise((resolve) => child.on("close", resolve));
  await waitFor("three looks", () => out.split("\n").length > 3);
  child.kill();
  await ended;
  expect(JSON.parse(out.split("\n")[1]!)).toMatchObject({ nodes: [{ state: "ALIVE", isHeadNode: true }] });
});

test("top without a terminal prints one look: nodes, functions, actors", async () => {
  const { out, code } = await session.mobula(["top"]);
  expect(code).toBe(0);
  expect(out).toMatch(/^nodes 1 of 1 +jobs 1 +actors 1 +CPU /);
  expect(out).toMatch(/^n-\w+ \(head\) +ALIVE /m);
  expect(out).toMatch(/^same +0 +0 +- +30 +0 /m);
  expect(out).toMatch(/^Box +1 +0 +0 +0$/m);
  const snapshot = await session.json<TopSnapshot>("top");
  const later = {
    ...snapshot,
    atMs: snapshot.atMs + 2_000,
    functions: snapshot.functions.map((one) => ({ ...one, finished: one.finished + 100 })),
  };
  const small = topLines(later, snapshot, { columns: 40, rows: 12 });
  expect(small.length).toBeLessThanOrEqual(12);
  expect(Math.max(...small.map((line) => line.length))).toBeLessThanOrEqual(40);
  const large = topLines(later, snapshot, { columns: 200, rows: 60 });
  expect(large.find((line) => line.startsWith("same"))).toMatch(/^same +0 +0 +50 +130 +0 /);
});

const noScript = spawnSync("script", ["--version"]).status === 0;

test.if(noScript)("top in a terminal draws, and q gives the terminal back", async () => {
  const [binary, ...rest] = runtimeCommand("bun", main);
  const command = [binary!, ...rest, "top", "--interval", "0.1"].join(" ");
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    env: { ...session.env, TERM: "xterm" } as NodeJS.ProcessEnv,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.on("data", (chunk) => out += chunk);
  const ended = new Promise((resolve) => child.on("close", resolve));
  await waitFor("it draws twice", () => out.split("\x1b[H").length > 2);
  child.stdin.write("q");
  expect(await ended).toBe(0);
  expect(out).toContain("Box");
  expect(out).toStartWith("\x1b[?1049h\x1b[?25l");
  expect(out.trimEnd()).toEndWith("\x1b[?25h\x1b[?1049l");
});

test("ui prints a link that signs a browser in", async () => {
  const { url } = await session.json<{ url: string }>("ui");
  const answer = await fetch(url, { redirect: "manual" });
  expect([answer.status, answer.headers.get("set-cookie")]).toEqual([
    303,
    expect.stringContaining("HttpOnly"),
  ]);
  expect((await session.mobula(["ui"])).out).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/\?ticket=\S+\n/);
});

test("bash completes commands, options and known values with the script that is printed", async () => {
  const [binary, ...rest] = runtimeCommand("bun", main);
  const script = (await session.mobula(["completion", "bash"])).out;
  const complete = (line: string): string[] => {
    const words = line.split(" ");
    const program = `
      mobula() { ${[binary, ...rest].join(" ")} "$@"; }
      ${script}
      COMP_WORDS=(${words.map((word) => JSON.stringify(word)).join(" ")}); COMP_CWORD=${words.length - 1}
      _mobula; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = spawnSync("bash", ["-c", program], { env: session.env as NodeJS.ProcessEnv });
    expect(stderr.toString()).toBe("");
    return stdout.toString().trim().split("\n");
  };
  expect(complete("mobula st")).toEqual(["start", "status", "stop"]);
  expect(complete("mobula job s")).toEqual(["show", "status", "stop", "submit"]);
  expect(complete("mobula ls --limit 3 ta")).toEqual(["tasks"]);
  expect(complete("mobula start --runtime ")).toEqual(["bun", "deno", "node"]);
  expect(complete("mobula help job l")).toEqual(["list", "logs"]);
  for (const shell of ["fish"]) {
    expect((await session.mobula(["completion", shell])).out).toContain("mobula completion words");
  }
});

test("timeline writes a trace in which every task ran once", async () => {
  const file = join(session.folder, "trace.json");
  const written = await session.json<{ job: string; events: number; bytes: number }>(
    ...["timeline", "--job", "people", "-o", file],
  );
  const text = readFileSync(file, "utf8");
  const { traceEvents } = JSON.parse(text) as {
    traceEvents: { name: string; ph: string; ts?: number; dur?: number }[];
  };
  expect([traceEvents.length, text.length]).toEqual([written.events, written.bytes]);
  const runs = traceEvents.filter(({ name, ph }) => ph === "X" && name === "same");
  expect(runs).toHaveLength(30);
  for (const { ts, dur } of runs) expect([ts! > 0, dur! >= 0]).toEqual([true, true]);
  const piped = await session.mobula(["timeline", "--job", written.job, "-o", "-"]);
  expect(JSON.parse(piped.out).traceEvents).toHaveLength(written.events);
  const nowhere = await session.mobula(["timeline", "-o", join(session.folder, "no", "where.json")]);
  expect([nowhere.code, nowhere.error]).toEqual([1, expect.stringContaining("cannot write")]);
  expect((await session.mobula(["timeline", "--job", "j-nobody", "-o", file])).code).toBe(1);
  expect(readFileSync(file, "utf8")).toBe(text);
});

test("doctor asks the cluster's nodes for their clocks and versions", async () => {
  const findings = await session.json<{ check: string; state: string; found: string }[]>("doctor");
  const [{ nodeId }] = await session.json<[{ nodeId: string }]>("ls", "nodes");
  const clock = findings.find(({ check }) => check === nodeId)!;
  expect(clock).toMatchObject({
    state: "ok",
    found: expect.stringMatching(/^mobula \d+\.\d+\.\d+, clock [+-]\d+ ms/),
  });
});

test("bench measures by Ray's names, says what cannot be, and ends its job", async () => {
  const bench = (text: string) =>
    session.json<{ results: { name: string; perSecond?: number; p99Us?: number; missing?: string }[] }>(
      ...["bench", "--seconds", "0.05", "--only", text],
    );
  const [sync] = (await bench("1:1 actor calls sync")).results;
  expect(sync!.name).toBe("1:1 actor calls sync");
  expect(sync!.perSecond).toBeGreaterThan(0);
  expect(sync!.p99Us).toBeGreaterThan(0);
  // The node's store has 256 MiB.
  const [cold, small, large] = (await bench("single client put")).results;
  expect(cold!.missing).toContain("the smallest has 256 MiB");
  expect(small!.perSecond).toBeGreaterThan(0);
  expect(large!.missing).toContain("needs object stores of 1600 MiB");
  const unknown = await session.mobula(["bench", "--only", "no such name"]);
  expect([unknown.code, unknown.error]).toEqual([1, expect.stringContaining("single client tasks sync")]);
  expect((await session.mobula(["bench", "--runtime", "python"])).code).toBe(1);
  expect(await session.json<{ state: string }[]>("ls", "jobs", "state=RUNNING")).toHaveLength(1);
});
