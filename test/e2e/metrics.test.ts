/** Metrics of a real cluster: the head's, every node's, and those of user code in any process. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  Counter,
  Gauge,
  get,
  Histogram,
  init,
  kill,
  listNodes,
  put,
  release,
  remote,
  shutdown,
} from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";
import { firstNodeId } from "../conformance/cases.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { type ReadMetrics, readMetrics } from "../support/metrics_text.ts";
import { rejection } from "../support/processes.ts";
import { waitFor } from "../support/wait_for.ts";

const leftovers = watchLeftovers();
let url = "";
let token = "";
/** `http://HOST:PORT` of the nodes' metrics; the first one is the driver's. */
let nodeUrls: string[] = [];

const processed = new Counter("items_processed", { description: "Items.", tagKeys: ["kind", "runtime"] });
const depth = new Gauge("depth");
const spread = new Histogram("batch_size", {
  boundaries: [1, 10, 100],
  tagKeys: ["kind"],
  defaultTags: { kind: "none" },
});

const work = remote((count: number, runtime: string) => {
  for (let i = 0; i < count; i++) processed.inc(1, { kind: "task", runtime });
  spread.observe(count);
}, { numCpus: 0 });

const Keeper = remote(
  class Keeper {
    set(value: number): void {
      depth.set(value);
      processed.inc(2, { kind: "actor" });
    }
  },
  { numCpus: 0 },
);

beforeAll(async () => {
  const cluster = await init({ numCpus: 2, objectStoreBytes: 32 << 20 });
  url = cluster.dashboardUrl!;
  token = currentDriver()!.local!.token;
  await currentDriver()!.local!.addAgent({
    numCpus: 1,
    resources: { far: 1 },
    objectStoreBytes: 32 << 20,
    runtime: "node",
  });
  nodeUrls = await waitFor("both nodes say where", async () => {
    const addresses = (await listNodes()).map((row) => row["metricsAddress"]).reverse();
    return addresses.length === 2 && addresses.every((one) => one !== null) &&
      addresses.map((one) => `http://${one}`);
  }) as string[];
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

function ask(base: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(new URL("/metrics", base), { headers: { authorization: `Bearer ${token}`, ...headers } });
}
async function scrape(base: string): Promise<ReadMetrics> {
  return readMetrics(await (await ask(base)).text());
}
/** Scrapes until the value is the one. */
async function until(
  base: string,
  name: string,
  labels: Record<string, string>,
  value: number,
): Promise<ReadMetrics> {
  let last: unknown;
  return await waitFor(`${name} ${JSON.stringify(labels)} is ${value}`, async () => {
    const read = await scrape(base);
    last = read.all(name, labels).map((sample) => sample.value);
    return JSON.stringify(last) === JSON.stringify([value]) && read;
  }) as ReadMetrics;
}

test("OBS-10 what is no metric or no tag is refused; default tags give way key by key", () => {
  const refused = (make: () => unknown): string => {
    try {
      make();
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
    return "nothing was thrown";
  };
  expect(refused(() => new Histogram("h", {} as never))).toStartWith(
    'TypeError: histogram "h" needs boundaries',
  );
  expect(refused(() => new Histogram("h", { boundaries: [] }))).toContain(
    'RangeError: metric "h": a histogram needs',
  );
  expect(refused(() => new Histogram("h", { boundaries: [2, 1] }))).toContain("must rise");
  expect(refused(() => new Counter(""))).toContain('RangeError: metric ""');
  expect(refused(() => new Counter("1st"))).toContain("does not begin with a digit");
  expect(refused(() => new Counter("mobula_mine"))).toContain("mobula's own");
  expect(refused(() => new Counter(7 as never))).toStartWith("TypeError");
  expect(refused(() => new Counter("c", { tags: ["a"] } as never))).toStartWith("TypeError");
  expect(refused(() => new Counter("c", { tagKeys: "a" as never }))).toStartWith("TypeError");
  for (const key of ["", "a-b", "le", "__x", "mobula_job", "1"]) {
    expect(refused(() => new Counter("c", { tagKeys: [key] })), key).toStartWith("RangeError");
  }
  expect(refused(() => new Counter("c", { tagKeys: ["a"], defaultTags: { b: "1" } }))).toContain(
    'no tag key "b"',
  );
  expect(refused(() => new Gauge("items_processed"))).toContain(
    "is there already: a counter with the tags kind, runtime",
  );
  expect(refused(() => processed.inc(-1))).toContain("only goes up");
  expect(refused(() => processed.inc("1" as never))).toStartWith("TypeError");
  expect(refused(() => processed.inc(1, { sort: "x" }))).toContain('no tag key "sort": it has kind, runtime');
  expect(refused(() => processed.inc(1, { kind: 7 as never }))).toContain("must be a string");
  expect(refused(() => spread.observe(NaN))).toStartWith("RangeError");
  // The same definition again is the same metric.
  new Counter("items_processed", { tagKeys: ["kind", "runtime"] }).inc(0, { kind: "driver" });
});

test("OBS-10 of user code are summed over processes on each node, whatever runtime they run on", async () => {
  const [here, far] = nodeUrls as [string, string];
  processed.inc(3, { kind: "driver" });
  spread.observe(50, { kind: "driver" });
  const deno = work.options({ runtimeEnv: { runtime: "deno" } });
  const there = work.options({ resources: { far: 1 } });
  await get([work.remote(4, "bun"), work.remote(5, "bun"), deno.remote(6, "deno"), there.remote(7, "node")]);
  const keeper = Keeper.options({ schedulingStrategy: { nodeId: firstNodeId() } }).remote();
  await get(keeper.set.remote(11));
  await get(keeper.set.remote(12));
  await until(here, "items_processed_total", { kind: "driver" }, 3);
  await until(here, "items_processed_total", { kind: "task", runtime: "bun" }, 9);
  await until(here, "items_processed_total", { kind: "task", runtime: "deno" }, 6);
  const remoteNode = await until(far, "items_processed_total", { kind: "task" }, 7);
  expect(remoteNode.all("items_processed_total")[0]!.labels).toEqual({
    kind: "task",
    runtime: "node",
    mobula_job: expect.stringMatching(/^j-/) as never,
    mobula_node: expect.stringMatching(/^n-/) as never,
  });
  await until(here, "depth", {}, 12);
  const read = await until(here, "batch_size_count", { kind: "none" }, 3);
  expect(read.value("batch_size_bucket", { kind: "none", le: "10" })).toBe(3);
  expect(read.value("batch_size_bucket", { kind: "driver", le: "10" })).toBe(0);
  expect(read.value("batch_size_sum", { kind: "driver" })).toBe(50);
  await kill(keeper);
  await waitFor("its gauge is gone", async () => (await scrape(here)).all("depth").length === 0);
  expect((await scrape(here)).value("items_processed_total", { kind: "actor" })).toBe(4);
});

test("RETRY-11 a task that fails on each attempt counts once", async () => {
  const always = remote((): void => {
    throw new Error("again");
  }, { name: "always_fails", numCpus: 0, retryExceptions: true, maxRetries: 2 });
  await rejection(get(always.remote()));
  const read = await until(url, "mobula_tasks", { name: "always_fails" }, 1);
  expect(read.all("mobula_tasks", { name: "always_fails" })).toMatchObject([{
    labels: { state: "FAILED" },
    value: 1,
  }]);
});

test("of the head are those of the cluster", async () => {
  const kept = await put(new Uint8Array(1 << 20));
  const read = await until(url, "mobula_nodes", { state: "ALIVE" }, 2);
  expect(read.value("mobula_jobs", { state: "RUNNING" })).toBe(1);
  expect(read.value("mobula_resource_total", { resource: "CPU" })).toBe(3);
  expect(read.value("mobula_actors", { state: "DEAD" })).toBe(1);
  expect(read.value("mobula_gcs_store_rows_total")).toBeGreaterThan(0);
  expect(read.value("mobula_gcs_store_is_waiting")).toBe(0);
  expect(read.value("process_resident_memory_bytes")).toBeGreaterThan(10 << 20);
  await until(url, "mobula_tasks", { name: "work", state: "FINISHED" }, 4);
  await waitFor("the object is known", async () => (await scrape(url)).value("mobula_gcs_objects") >= 1);
  release(kept);
});

test("of a node are those of its scheduler, workers and store", async () => {
  const kept = await put(new Uint8Array(4 << 20));
  const read = await scrape(nodeUrls[0]!);
  expect(read.value("mobula_store_capacity_bytes")).toBe(32 << 20);
  expect(read.value("mobula_store_used_bytes")).toBeGreaterThanOrEqual(4 << 20);
  expect(read.value("mobula_node_resource_total", { resource: "CPU" })).toBe(2);
  expect(read.value("mobula_node_drivers")).toBe(1);
  const workers = read.all("mobula_node_workers").reduce((sum, sample) => sum + sample.value, 0);
  expect(workers).toBeGreaterThan(0);
  expect(read.all("mobula_worker_resident_memory_bytes").length).toBe(workers);
  expect(read.value("process_cpu_seconds_total")).toBeGreaterThan(0);
  expect(new Set(read.samples.map((sample) => sample.labels["mobula_node"])).size).toBe(1);
  release(kept);
});

test("are for the bearer of the token, in both formats, and nodes can be discovered", async () => {
  for (const base of [url, ...nodeUrls]) {
    expect((await fetch(new URL("/metrics", base))).status).toBe(401);
    expect((await fetch(new URL("/metrics", base), { headers: { authorization: "Bearer no" } })).status).toBe(
      401,
    );
    expect((await fetch(new URL("/healthz", base))).status).toBe(200);
    const open = await ask(base, { accept: "application/openmetrics-text; version=1.0.0" });
    expect(open.headers.get("content-type")).toStartWith("application/openmetrics-text");
    expect(readMetrics(await open.text(), true).types.get("process_cpu_seconds")).toBe("counter");
  }
  expect(
    (await fetch(new URL("/nothing", nodeUrls[0]), { headers: { authorization: `Bearer ${token}` } })).status,
  ).toBe(404);
  const targets = await (await fetch(new URL("api/v1/metrics/targets", url), {
    headers: { authorization: `Bearer ${token}` },
  })).json() as { targets: string[] }[];
  expect(targets.flatMap((one) => one.targets).sort()).toEqual(
    [url, ...nodeUrls].map((one) => new URL(one).host).sort(),
  );
});
