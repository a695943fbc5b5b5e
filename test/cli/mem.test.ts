/** `mobula mem` and `mobula show o-…`: what they say of the objects of a real program, on two nodes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { MemoryReport, MemoryRow, MemoryTotal } from "../../runtime/common/memory_facts.ts";
import { CliSession } from "../support/cli.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { StartedProgram } from "../support/started_program.ts";
import { waitFor } from "../support/wait_for.ts";

type Names = "inner" | "outer" | "made" | "borrowed" | "used" | "inWorker" | "pending";

const PROGRAM = "test/cli/programs/holding.ts";
const leftovers = watchLeftovers();
const session = new CliSession();
let program: StartedProgram;
let ids: Record<Names, string>;
let headNode = "";
let otherNode = "";

beforeAll(async () => {
  const node = ["--num-cpus", "2", "--object-store-bytes", "67108864"];
  const ports = ["--port", "0", "--dashboard-port", "0"];
  const { address } = await session.json<{ address: string }>("start", "--head", ...ports, ...node);
  await session.json("start", "--address", address, "--resources", '{"there":2}', ...node);
  const env = {
    MOBULA_SESSION_DIR: session.sessionDir,
    MOBULA_ADDRESS: address,
    MOBULA_RECORD_CALL_SITES: "1",
  };
  const rows = await session.json<{ nodeId: string; isHeadNode: boolean }[]>("ls", "nodes");
  headNode = rows.find(({ isHeadNode }) => isHeadNode)!.nodeId;
  otherNode = rows.find(({ isHeadNode }) => !isHeadNode)!.nodeId;
  program = new StartedProgram("bun", PROGRAM, { env });
  ids = JSON.parse(await program.line());
}, 60_000);
afterAll(async () => {
  program.kill("SIGKILL");
  await program.ended;
  await session.end();
  await leftovers.check();
});

async function memory(): Promise<MemoryReport> {
  return await session.json<MemoryReport>("mem");
}

async function rowsById(): Promise<Record<Names, MemoryRow>> {
  const { rows } = await memory();
  const named = Object.entries(ids).map(([name, id]) => [name, rows.find((row) => row.objectId === id)]);
  return Object.fromEntries(named);
}

/** `driver LOCAL_REFERENCE here`, sorted. */
function holdersOf({ holders }: Pick<MemoryRow, "holders">): string[] {
  return holders.map(({ holder, nodeId, kind }) => {
    const who = holder.startsWith("d-") ? "driver" : holder.startsWith("w-") ? "worker" : holder;
    return `${who} ${kind} ${nodeId === headNode ? "here" : nodeId === otherNode ? "there" : nodeId}`;
  }).sort();
}

/** The line of PROGRAM on which this stands. */
async function siteOf(code: string): Promise<RegExp> {
  const lines = (await Bun.file(PROGRAM).text()).split("\n");
  const at = lines.findIndex((line) => line.includes(code));
  expect(at).toBeGreaterThan(0);
  return new RegExp(`holding\\.ts:${at + 1}:\\d+$`);
}

test("each object's size, place, maker and owner are told, and the line that made it", async () => {
  const { made, borrowed, inner, inWorker } = await rowsById();
  expect(made).toMatchObject({ state: "IN_MEMORY", producer: "makeBytes" });
  expect(made.bytes).toBeWithin(2_000_000, 2_020_000);
  expect(made.owner).toStartWith("d-");
  expect(made.nodes.map(({ nodeId, primary }) => [nodeId, primary])).toContainEqual([otherNode, true]);
  expect(made.callSite).toMatch(await siteOf("make.remote(2_000_000)"));
  expect(made.ageMs).toBeWithin(0, 60_000);
  expect(borrowed).toMatchObject({ producer: "put", home: headNode, owner: made.owner });
  expect(borrowed.bytes).toBeWithin(1_000_000, 1_020_000);
  expect(borrowed.callSite).toMatch(await siteOf("borrowed = await put"));
  expect(inner.bytes).toBeWithin(300_000, 320_000);
  expect(inWorker.owner).toStartWith("w-");
  expect(inWorker.callSite).toMatch(await siteOf("own = await put"));
});

test("every kind of reference is told, with who has it", async () => {
  await waitFor("the call holds its argument", async () => {
    const { used } = await rowsById();
    return holdersOf(used).includes("driver USED_BY_PENDING_TASK here");
  });
  const rows = await rowsById();
  expect(holdersOf(rows.inner)).toEqual([`${ids.outer} CAPTURED_IN_OBJECT here`]);
  expect(holdersOf(rows.outer)).toEqual(["driver LOCAL_REFERENCE here"]);
  expect(holdersOf(rows.borrowed)).toEqual(["driver LOCAL_REFERENCE here", "worker LOCAL_REFERENCE there"]);
  expect(holdersOf(rows.used)).toContain("driver LOCAL_REFERENCE here");
  const { rows: all } = await memory();
  const actor = all.find(({ state }) => state === "ACTOR")!;
  expect(actor.objectId).toStartWith("a-");
  expect(actor.holders.map(({ kind }) => kind)).toContain("ACTOR_HANDLE");
});

test("people read a table: a line for each object, then the sums of nodes and owners", async () => {
  const { code, out, error } = await session.mobula(["mem"]);
  expect([code, error]).toEqual([0, ""]);
  const [heading, ...lines] = out.split("\n");
  expect(heading).toMatch(/^object +size +state +age +nodes +producer +owner +call site +held by$/);
  const line = lines.find((one) => one.startsWith(ids.borrowed))!;
  expect(line).toMatch(/ 9\d\d KiB +IN_MEMORY +\d+ (ms|s) +n-\w+ +put +d-\w+ +\S+holding\.ts:\d+:\d+ +/);
  expect(line).toMatch(/d-\w+ LOCAL_REFERENCE, w-\w+ LOCAL_REFERENCE$/);
  expect(lines.find((one) => one.startsWith(ids.inner))).toEndWith(`${ids.outer} CAPTURED_IN_OBJECT`);
  const order = [ids.made, ids.borrowed, ids.used, ids.inner].map((id) =>
    lines.findIndex((one) => one.startsWith(id))
  );
  expect(order).toEqual([...order].sort((a, b) => a - b));
  expect(lines.find((one) => one.startsWith("node "))).toMatch(/objects +copies +bytes +in memory +spilled/);
  expect(lines.some((one) => one.startsWith(headNode) && one.endsWith("64.0 MiB"))).toBe(true);
});

test("sums are those of the rows, by producer, owner and node", async () => {
  const { rows } = await memory();
  const of = async (group: string): Promise<MemoryTotal[]> => await session.json("mem", "--group-by", group);
  const put = (await of("producer")).find(({ key }) => key === "put")!;
  const puts = rows.filter(({ producer, state }) => producer === "put" && state !== "ACTOR");
  expect(put.objects).toBe(puts.length);
  expect(put.copies).toBe(puts.reduce((sum, { nodes }) => sum + nodes.length, 0));
  expect(put.bytes).toBe(puts.reduce((sum, row) => sum + row.nodes.length * row.bytes, 0));
  expect(put.inMemoryBytes + put.spilledBytes + put.inFlightBytes).toBe(put.bytes);
  const makers = await of("producer");
  for (const group of ["node", "owner"]) {
    const totals = await of(group);
    const bytes = (all: readonly MemoryTotal[]) => all.reduce((sum, total) => sum + total.bytes, 0);
    expect(bytes(totals)).toBe(bytes(makers));
  }
});

test("show says who holds an object, and how, and knows when nobody does", async () => {
  const [row] = await session.json<Record<string, unknown>[]>("show", ids.borrowed);
  expect(row).toMatchObject({
    objectId: ids.borrowed,
    primary: headNode,
    state: "IN_MEMORY",
    isError: false,
  });
  expect(row!["callSite"]).toMatch(await siteOf("borrowed = await put"));
  expect(holdersOf(row as unknown as MemoryRow)).toEqual([
    "driver LOCAL_REFERENCE here",
    "worker LOCAL_REFERENCE there",
  ]);
  const { out } = await session.mobula(["show", ids.borrowed]);
  expect(out).toMatch(/^holders +\{"holder":"d-\w+".*\}\n +\{"holder":"w-\w+".*"LOCAL_REFERENCE"\}$/m);
  const unknown = await session.mobula(["show", `${ids.borrowed}0`]);
  expect([unknown.code, unknown.out]).toEqual([1, `${ids.borrowed}0 is not known (any more)\n`]);
});
