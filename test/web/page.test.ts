/**
 * mobula/web in a real browser, on a page whose policy forbids eval: from a site of its own that the cluster allows, from one
 * that it does not, and from the dashboard's own address.
 */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { createServer, type Server } from "node:http";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { type Browser, chromium, type Page } from "playwright-core";
import { watchLeftovers } from "../support/leftovers.ts";
import { testUnless } from "../support/skip.ts";
import { chromiumPath, skipReason } from "../support/toolchain.ts";
import { waitFor } from "../support/wait_for.ts";
import { EXPECTED } from "./programs/exercise.ts";
import { bundleFor, WebCluster } from "./web_cluster.ts";

const pageTest = testUnless(skipReason("chromium"));
const TIMEOUT_MS = 60_000;
const POLICY = "default-src 'none'; script-src 'self'; connect-src http://127.0.0.1:* ws://127.0.0.1:*";

const leftovers = watchLeftovers();
const cluster = new WebCluster();
/** Sites with the same page; the cluster allows the first. */
const sites: Server[] = [];
let browser: Browser;

/** The functions of programs/exercise.ts, in the page. */
declare const exercise: typeof import("./programs/exercise.ts");

async function listening<S extends Server | ReturnType<typeof createTcpServer>>(server: S): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function site(script: string): Promise<string> {
  const server = createServer(({ url }, response) => {
    response.setHeader("content-security-policy", POLICY);
    if (url === "/script.js") {
      response.setHeader("content-type", "text/javascript; charset=utf-8").end(script);
    } else {response.setHeader("content-type", "text/html").end(
        '<!doctype html><script src="/script.js"></script>',
      );}
  });
  sites.push(server);
  return await listening(server);
}

let origins: string[] = [];

beforeAll(async () => {
  const executablePath = chromiumPath();
  if (executablePath === null) return;
  const script = await bundleFor("page.ts", "iife");
  origins = [await site(script), await site(script)];
  await cluster.start({ origins: origins[0]! });
  browser = await chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"],
  });
}, TIMEOUT_MS);
afterAll(async () => {
  await browser?.close();
  for (const server of sites) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await cluster.end();
  await leftovers.check();
}, TIMEOUT_MS);

async function open(url: string): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  await page.goto(url);
  return page;
}

/** A way to the cluster that can be cut. */
async function cuttable(): Promise<{ url: string; cut: () => void; close: () => Promise<unknown> }> {
  const target = new URL(cluster.url);
  const sockets = new Set<Socket>();
  const server = createTcpServer((from) => {
    const to = connect(Number(target.port), target.hostname);
    for (const [socket, other] of [[from, to], [to, from]] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => undefined).on("close", () => other.destroy());
    }
  });
  const url = await listening(server);
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
    sockets.clear();
  };
  return { url, cut, close: () => (cut(), new Promise((resolve) => server.close(resolve))) };
}

describe("a page as a driver", () => {
  for (const transport of ["websocket", "fetch"] as const) {
    pageTest(`runs tasks and an actor by ${transport}, and shows their values`, async () => {
      const page = await open(origins[0]!);
      const options = { url: cluster.url, token: cluster.token, transport };
      expect(await page.evaluate((options) => exercise.exercise(options), options)).toEqual(
        EXPECTED as never,
      );
      await page.context().close();
    }, TIMEOUT_MS);

    pageTest(`is told by ${transport} that its connection broke, and connects anew`, async () => {
      const way = await cuttable();
      const page = await open(origins[0]!);
      const options = { url: way.url, token: cluster.token, transport };
      await page.evaluate(async (options) => {
        Object.assign(globalThis, await exercise.begin(options));
      }, options);
      way.cut();
      const ended = await page.evaluate(() => (globalThis as unknown as { ended: Promise<unknown> }).ended);
      expect(ended).toEqual([
        "AgentLost",
        "The connection to the cluster is lost: what was pending has failed, and init() connects anew",
      ]);
      expect(await page.evaluate(() => exercise.oneMore())).toBeNull();
      await page.evaluate((options) => exercise.begin(options).then(() => undefined), options);
      expect(await page.evaluate(() => exercise.oneMore())).toBe(2);
      await page.context().close();
      await way.close();
    }, TIMEOUT_MS);

    pageTest(`of another site is refused by ${transport}, whatever it knows`, async () => {
      const page = await open(origins[1]!);
      const options = { url: cluster.url, token: cluster.token, transport };
      const [name, message] = await page.evaluate((options) => exercise.refusal(options), options);
      expect(name).toBe("ConnectError");
      expect(message).toStartWith(`cannot connect to ${new URL(cluster.url).origin}`);
      await page.context().close();
    }, TIMEOUT_MS);

    pageTest(`with a wrong token is refused by ${transport}`, async () => {
      const page = await open(origins[0]!);
      const options = { url: cluster.url, token: `${cluster.token}0`, transport };
      const [name, message, isAuth] = await page.evaluate((options) => exercise.refusal(options), options);
      expect([name, isAuth]).toEqual(["AuthenticationError", true]);
      expect(message).toContain("wrong token");
      expect(message).not.toContain(cluster.token);
      await page.context().close();
    }, TIMEOUT_MS);
  }

  pageTest("of the dashboard's own address needs no permission, and no url", async () => {
    const page = await open(`${cluster.url}healthz`);
    await page.evaluate(await bundleFor("page.ts", "iife"));
    const { token } = cluster;
    expect(await page.evaluate((token) => exercise.exercise({ token }), token)).toEqual(EXPECTED as never);
    await page.context().close();
  }, TIMEOUT_MS);

  pageTest("leaves nothing behind, however it went", async () => {
    await waitFor("no objects", async () => (await cluster.rows("objects")).length === 0);
    await waitFor(
      "no actors",
      async () => (await cluster.rows("actors")).every((row) => row.state === "DEAD"),
    );
    await waitFor("no job", async () => (await cluster.rows("jobs")).every((row) => row.state !== "RUNNING"));
  }, TIMEOUT_MS);
});
