/** The page's objects on a real cluster of two nodes: what it draws is what the program has stored, spilled and under way. */
import { afterAll, beforeAll, expect } from "bun:test";
import { get, init, type ObjectRef, put, remote, shutdown } from "mobula";
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
  await page.evaluate("location.hash = '#/objects'");
}, TIMEOUT_MS);
afterAll(async () => {
  await context?.close();
  await browser?.close();
  await shutdown();
  await leftovers.check();
}, TIMEOUT_MS);

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
  made.release();
  expect(complaints).toEqual([]);
}, TIMEOUT_MS);
