/**
 * The pages of objects, actors, nodes and placement groups on a real cluster of two nodes: what they show is what the program
 * itself has stored, called and reserved.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import {
  cancel,
  get,
  init,
  kill,
  nodes,
  type ObjectRef,
  placementGroup,
  put,
  remote,
  removePlacementGroup,
  shutdown,
} from "mobula";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { currentDriver } from "../../runtime/api/init.ts";
import type { MemoryReport } from "../../runtime/common/memory_facts.ts";
import { requireCoreWorker } from "../../runtime/io/core_worker/current.ts";
import { watchLeftovers } from "../support/leftovers.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";

const pageTest = testUnless(skipReason("chromium"));
const TIMEOUT_MS = 60_000;
const MIB = 2 ** 20;

const leftovers = watchLeftovers();
let browser: Browser | null = null;
let context: BrowserContext;
let page: Page;
let here = "";
let there: { readonly nodeId: string; readonly pid: number };
const complaints: string[] = [];

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (executablePath === null) return;
  const cluster = await init({ numCpus: 1, objectStoreBytes: 64 * MIB });
  here = requireCoreWorker().identity.node;
  const { ready } = await currentDriver()!.local!.addAgent({
    numCpus: 1,
    resources: { there: 1 },
    objectStoreBytes: 64 * MIB,
    prestart: 0,
  });
  there = ready;
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(cluster.dashboardUrl!);
  await open("#/objects");
}, TIMEOUT_MS);
afterAll(async () => {
  await context?.close();
  await browser?.close();
  await shutdown();
  await leftovers.check();
}, TIMEOUT_MS);

async function open(hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

/** What is shown under a name at the head of a page. */
async function figure(name: string): Promise<string> {
  return (await page.locator(`[data-figure="${name}"] dd`).innerText()).replace(/\s+/g, " ").trim();
}

async function follow(link: string): Promise<void> {
  await page.locator(`main a[href="${link}"]`).first().click();
}

/** What the page draws of a group: the row's figures, and the bytes of each part of a node's bar. */
interface Drawn {
  /** And their copies. */
  readonly objects: string;
  readonly spilled: string;
  readonly inFlight: string;
  /** By node: bytes in memory, on disk, in flight. */
  readonly nodes: Readonly<Record<string, readonly [number, number, number]>>;
}

/** As much of an element as is looked at. */
interface Element {
  readonly textContent: string;
  getAttribute(name: string): string | null;
  querySelector(selector: string): Element | null;
  querySelectorAll(selector: string): Iterable<Element>;
}

async function drawn(producer: string): Promise<Drawn | null> {
  return await page.locator("#objects").evaluate((panel: Element, producer: string) => {
    const row = panel.querySelector(`tr[data-key="${producer}"]`);
    if (row === null) return null;
    const headings = [...panel.querySelectorAll("thead th")];
    const cells = [...row.querySelectorAll("th, td")];
    const nodes: Record<string, [number, number, number]> = {};
    headings.forEach((heading, at) => {
      const nodeId = heading.getAttribute("title") ?? "";
      const size = (kind: string) =>
        Number(cells[at]!.querySelector(`.${kind}`)?.getAttribute("data-bytes") ?? 0);
      if (nodeId.startsWith("n-")) nodes[nodeId] = [size("in-memory"), size("on-disk"), size("in-flight")];
    });
    const [, objects, sums] = cells;
    const beside = (kind: string) => sums!.querySelector(`[data-kind="${kind}"]`)?.textContent ?? "";
    return {
      objects: objects!.textContent,
      spilled: beside("spilled"),
      inFlight: beside("in-flight"),
      nodes,
    };
  }, producer);
}

/** The page, once it draws this; throws with what it draws instead. */
async function draws(producer: string, expected: unknown): Promise<void> {
  let last: unknown;
  await waitFor(`the page draws ${producer}`, async () => {
    last = await drawn(producer);
    return Bun.deepEquals(last, expected);
  }).catch(() => expect(last).toEqual(expected));
}

/** Bytes of one stored object, as the nodes say. */
async function sizeOf(id: string): Promise<number> {
  const { result } = await requireCoreWorker().link.request("head", { method: "memory", params: { id } });
  return (result as MemoryReport).rows[0]!.bytes;
}

const mib = (bytes: number): string => {
  const value = bytes / MIB;
  return `${value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)} MiB`;
};

pageTest(
  "what does not fit into memory is drawn as spilled, and in memory when it was read again",
  async () => {
    const refs: ObjectRef<Uint8Array>[] = [];
    for (let n = 0; n < 5; n++) refs.push(await put(new Uint8Array(20 * MIB).fill(n)));
    const size = await sizeOf(refs[0]!.id);
    const state = (objects: number, onDisk: number): Drawn => ({
      objects: `${objects}${objects} copies`,
      spilled: onDisk === 0 ? "" : `${mib(onDisk * size)} spilled`,
      inFlight: "",
      nodes: { [here]: [(objects - onDisk) * size, onDisk * size, 0], [there.nodeId]: [0, 0, 0] },
    });
    // Three of them fit.
    await draws("put", state(5, 2));
    for (const ref of refs.splice(2)) ref.release();
    await draws("put", state(2, 2));
    for (const [n, ref] of refs.entries()) expect((await get(ref))[0]).toBe(n);
    await draws("put", state(2, 0));
    for (const ref of refs) ref.release();
    await waitFor("nothing is drawn", async () => await drawn("put") === null);
  },
  TIMEOUT_MS,
);

pageTest("what is on its way to a node is drawn as in flight until it is there", async () => {
  const make = remote(function makeBytes() {
    return new Uint8Array(30 * 2 ** 20).fill(7);
  }, { resources: { there: 1 } });
  const made = make.remote();
  await waitFor("it is made", async () => (await drawn("makeBytes"))?.objects === "11 copy");
  const size = await sizeOf(made.id);
  // Its holder stands still, so that nothing arrives.
  process.kill(there.pid, "SIGSTOP");
  try {
    const value = get(made);
    await draws("makeBytes", {
      objects: "11 copy",
      spilled: "",
      inFlight: `+ ${mib(size)} in flight`,
      nodes: { [here]: [0, 0, size], [there.nodeId]: [size, 0, 0] },
    });
    process.kill(there.pid, "SIGCONT");
    expect((await value)[30 * MIB - 1]).toBe(7);
  } finally {
    process.kill(there.pid, "SIGCONT");
  }
  await draws("makeBytes", {
    objects: "12 copies",
    spilled: "",
    inFlight: "",
    nodes: { [here]: [size, 0, 0], [there.nodeId]: [size, 0, 0] },
  });
  // What has gone from node to node, counted by the node that received it.
  const gone = page.locator(`#transfers tr[data-key="${there.nodeId}"] td[data-to="${here}"]`);
  await waitFor("the transfer is counted", async () => await gone.getAttribute("data-bytes") === `${size}`);
  const store = page.locator(`#stores tr[data-key="${here}"]`);
  expect(await store.locator(".part.cached").getAttribute("data-bytes")).toBe(`${size}`);
  await open(`#/objects/${made.id}`);
  const places = page.locator("#places li");
  await places.nth(1).waitFor();
  const shown = await places.evaluateAll((all: Element[]) =>
    all.map((each) => `${each.getAttribute("data-key")} ${each.getAttribute("data-state")}`)
  );
  expect(shown.sort()).toEqual([`${here} IN_MEMORY`, `${there.nodeId} IN_MEMORY`].sort());
  expect(await page.locator("#places li", { hasText: "primary" }).getAttribute("data-key")).toBe(
    there.nodeId,
  );
  await page.locator("#kept-by tbody tr", { hasText: "local ref of its owner" }).waitFor();
  await page.locator("#object .why-sentence", { hasText: "is stored at" }).waitFor();
  const taskId = made.id.replace(/^o/, "t").replace(/\.0$/, "");
  expect(await page.locator("#object [data-fact='Made by']").innerText()).toContain(taskId);
  made.release();
  await page.locator("#kept-by", { hasText: "Nobody refers to it" })
    .or(page.locator("#object", { hasText: "No node has" })).first().waitFor();
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);

pageTest("an actor's page shows its life, and how its calls fare", async () => {
  const Counter = remote(
    class PageCounter {
      add(by: number): number {
        this.total += by;
        return this.total;
      }
      crash(): void {
        process.exit(7);
      }
      total = 0;
    },
    { maxRestarts: 2, numCpus: 0.1 },
  );
  const counter = Counter.options({ name: "tally" }).remote();
  await get(counter.add.remote(1));
  await get(counter.crash.remote()).catch(() => undefined);
  let answered = 0;
  await waitFor("it is back", async () => {
    answered = await get(counter.add.remote(1)).catch(() => 0);
    return answered > 0;
  });
  for (let n = 0; n < 30; n++) answered = await get(counter.add.remote(1));
  await open("#/actors?filter=className%3DPageCounter");
  await page.locator("#actors tbody tr a", { hasText: "PageCounter" }).click();
  await waitFor("its calls are counted", async () => await figure("Answered") === `${answered}`);
  expect(await figure("Restarts")).toBe("1 of 2");
  // Its node samples the processes it has; this one has just begun.
  await waitFor("its memory is known", async () => / MiB$/.test(await figure("Memory")));
  const visits = (state: string) =>
    page.locator(`.machine [data-state="${state}"]`).getAttribute("data-visits");
  expect(await visits("ALIVE")).toBe("2");
  expect(await visits("RESTARTING")).toBe("1");
  expect(await visits("DEAD")).toBe("0");
  expect(await page.locator("#life tr[data-state='RESTARTING'] strong").innerText()).toBe("WORKER_DIED");
  await page.locator("#strip-call-rate canvas").waitFor();
  await page.locator("#actor .why button").click();
  await page.locator("#actor .why-sentence", { hasText: "PageCounter" }).waitFor();
  await kill(counter);
  await page.locator(".machine .now.dead").waitFor();
  await page.locator("#life tr[data-state='DEAD']", { hasText: "KILLED" }).waitFor();
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);

pageTest(
  "hundreds of light actors are counted by class, searched, sorted and paged by the head",
  async () => {
    const Light = remote(
      class PageLight {
        id(): number {
          return 1;
        }
      },
      { isolation: "shared" },
    );
    const actors = Array.from({ length: 120 }, () => Light.remote());
    await get(actors.map((actor) => actor.id.remote()));
    await open("#/actors");
    const row = page.locator("#actor-classes tr[data-key='PageLight']");
    await waitFor("all are alive", async () => (await row.locator("td").allInnerTexts())[2] === "120");
    await row.locator("a").click();
    const showing = page.locator("#actors .showing");
    await page.locator("#actors .showing", { hasText: "showing 50 of 120 actors" }).waitFor();
    const keys = async (): Promise<string[]> =>
      await page.locator("#actors tbody tr").evaluateAll((rows: Element[]) =>
        rows.map((each) => each.getAttribute("data-key")!)
      );
    const seen = new Set(await keys());
    for (const expected of [100, 120]) {
      await page.locator("#actors .pager button", { hasText: "Next" }).click();
      await waitFor("the next page", async () => !seen.has((await keys())[0] ?? [...seen][0]!));
      for (const key of await keys()) seen.add(key);
      expect(seen.size).toBe(expected);
    }
    await page.locator("#actors input[type=search]").fill([...seen][70]!);
    await waitFor("one is found", async () => await showing.innerText() === "1 actor");
    expect(complaints).toEqual([]);
  },
  TIMEOUT_MS,
);

pageTest(
  "a placement group shows where its bundles are and who is inside; one that waits says why",
  async () => {
    const group = await placementGroup([{ CPU: 0.5 }, { CPU: 0.5 }], {
      strategy: "STRICT_SPREAD",
      name: "pair",
    });
    const huge = await placementGroup([{ CPU: 64 }], { name: "huge" });
    const Inside = remote(
      class PageInside {
        id(): number {
          return 1;
        }
      },
      { numCpus: 0.5 },
    );
    const inside = Inside.options({ schedulingStrategy: { placementGroup: group, bundleIndex: 1 } }).remote();
    await get(inside.id.remote());
    await open("#/groups");
    await follow(`#/groups/${huge.id}`);
    await page.locator("#group .why-sentence", { hasText: "CPU 64" }).waitFor();
    await open("#/groups");
    await follow(`#/groups/${group.id}`);
    const placed = page.locator("#bundles tr[data-key='1'] td.placed", { hasText: "PageInside" });
    await placed.waitFor();
    expect(await figure("Placed")).toBe("2 of 2");
    const places = await page.locator("#bundles td.placed").evaluateAll((cells: Element[]) =>
      cells.map((each) => each.getAttribute("data-node")!)
    );
    expect(places.sort()).toEqual([here, there.nodeId].sort());
    await page.locator("#actors tbody tr", { hasText: "PageInside" }).waitFor();
    // From the bundle to the actor in it, and from there back to the group.
    await placed.locator("a").click();
    await page.locator("#actor-options [data-fact='Placement group'] a").click();
    await placed.waitFor();
    // Its handle is in use until here: an actor without handles ends.
    expect(await get(inside.id.remote())).toBe(1);
    await removePlacementGroup(group);
    await removePlacementGroup(huge);
    await page.locator("#group [data-state='REMOVED']").waitFor();
    expect(complaints).toEqual([]);
  },
  TIMEOUT_MS,
);

pageTest("a node's page shows what it promises, what runs there and what happened", async () => {
  const hold = remote(async function pageHold() {
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  }, { resources: { there: 1 }, numCpus: 0.5 });
  const held = hold.remote();
  await open("#/nodes");
  const listed = (await nodes()).filter(({ alive }) => alive).map(({ nodeId }) => nodeId as string);
  await page.locator("#nodes tbody tr").nth(1).waitFor();
  const rows = await page.locator("#nodes tbody tr").evaluateAll((all: Element[]) =>
    all.map((each) => each.getAttribute("data-key")!)
  );
  expect(rows.sort()).toEqual(listed.sort());
  await follow(`#/nodes/${there.nodeId}`);
  const worker = page.locator("#workers tbody tr", { hasText: "pageHold" });
  await worker.waitFor();
  await page.locator("#node [data-meter='there']", { hasText: "1 of 1 there" }).waitFor();
  expect(await figure("State")).toBe("alive");
  expect(await page.locator("#node-events tr[data-kind='joined']").count()).toBe(1);
  // The task that runs there, by way of its worker.
  await worker.locator("th a").click();
  await page.locator("#head", { hasText: "pageHold" }).waitFor();
  expect(await page.locator("#head").innerText()).toContain(
    (await page.evaluate("location.hash") as string).slice("#/workers/".length),
  );
  await cancel(held, { force: true });
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);
