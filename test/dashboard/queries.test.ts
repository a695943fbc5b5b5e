/**
 * Queries: asked once over HTTP, watched over the stream; evaluated once for all who watch; large answers less often, and no
 * reader gets more than its share. What needs attention is a decision over rows.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AttentionDto } from "../../dashboard/api/now.ts";
import type { LiveFrame, StreamFrame } from "../../dashboard/api_types.ts";
import { LiveQueries } from "../../dashboard/server/live_queries.ts";
import { NotFound, type Query } from "../../dashboard/server/queries/query.ts";
import { parseQuestion, QueryRegistry } from "../../dashboard/server/queries/registry.ts";
import { openStream } from "../../dashboard/server/stream.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";
import { networkBytes } from "../../runtime/io/machine_usage.ts";
import { waitFor } from "../support/wait_for.ts";
import * as events from "./cluster_events.ts";
import { META, TestDashboard } from "./dashboard_fixture.ts";

const view = new ClusterView();
const hello = () => ({ ...META, role: "full" as const, nowMs: 0, topics: [] });

/** A registry of these queries alone, and their watchers by a clock of ours. */
function watching(queries: readonly Query[]): { live: LiveQueries; clock: { ms: number } } {
  const clock = { ms: 1_000_000 };
  return { live: new LiveQueries(new QueryRegistry({ view }, queries), () => clock.ms), clock };
}

/** The answer's text once it has a version beyond `after`. */
async function answerAfter(live: LiveQueries, question: string, after: number): Promise<string> {
  let text = "";
  await waitFor(`an answer to ${question}`, () => {
    const answer = live.read(question);
    if (answer === null || answer.version <= after) return false;
    text = answer.text;
    return true;
  });
  return text;
}

async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamFrame> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as StreamFrame;
  }
}

async function liveFrame(frames: AsyncGenerator<StreamFrame>, key: string): Promise<LiveFrame> {
  for (;;) {
    const { done, value } = await frames.next();
    if (done) throw new Error("the stream ended");
    if (value.topic === "live" && value.key === key) return value;
  }
}

describe("a watched query", () => {
  test("is evaluated once for all who watch it, at most once a second, and told when it changes", async () => {
    let runs = 0, value = 1;
    const { live, clock } = watching([{
      name: "n",
      run: (params) => {
        runs++;
        return { value, a: params.get("a") };
      },
    }]);
    expect(await answerAfter(live, "n?a=x", 0)).toBe(`"data":{"value":1,"a":"x"}`);
    for (let i = 0; i < 50; i++) live.read("n?a=x");
    expect(runs).toBe(1);
    clock.ms += 1_000;
    live.read("n?a=x");
    await waitFor("the second evaluation", () => runs === 2);
    // The same answer is no news.
    expect(live.read("n?a=x")!.version).toBe(1);
    value = 2;
    clock.ms += 1_000;
    expect(await answerAfter(live, "n?a=x", 1)).toBe(`"data":{"value":2,"a":"x"}`);
    expect(runs).toBe(3);
  });

  test("with a large answer is evaluated less often", async () => {
    let runs = 0;
    const { live, clock } = watching([{ name: "big", run: () => [++runs, "x".repeat(128 * 1024)] }]);
    await answerAfter(live, "big", 0);
    clock.ms += 3_900;
    live.read("big");
    expect(runs).toBe(1);
    clock.ms += 200;
    await answerAfter(live, "big", 1);
    expect(runs).toBe(2);
  });

  test("that fails says why, in the words of who refused it, and is forgotten when nobody watches", async () => {
    const { live, clock } = watching([
      { name: "bad", run: (params) => params.number("limit", 1, 1, 10) },
      { name: "gone", run: () => Promise.reject(new NotFound("there is no such thing")) },
      { name: "broken", run: () => Promise.reject(new Error("secret")) },
    ]);
    expect(await answerAfter(live, "bad?limit=99", 0)).toContain("limit must be a number from 1 to 10");
    expect(await answerAfter(live, "gone", 0)).toContain("NOT_FOUND");
    expect(await answerAfter(live, "broken", 0)).not.toContain("secret");
    expect(await answerAfter(live, "nothing", 0)).toContain("there is no query");
    expect(live.size).toBe(4);
    clock.ms += 20_000;
    live.read("gone");
    expect(live.size).toBe(1);
    expect(() => parseQuestion("x".repeat(3_000))).toThrow(RangeError);
  });
});

test("pictures of all that runs are renewed half as often while the cluster has no processor to spare", () => {
  const view = new ClusterView();
  const registry = new QueryRegistry({ view });
  const pictures = ["graph", "graph/group", "timeline/lanes"];
  const intervals = (): number[] => [...pictures, "profile"].map((name) => registry.everyMs(name));
  expect(intervals()).toEqual([1_000, 1_000, 1_000, 1_000]);
  view.applyNodes([events.nodeRow("n-1", { cpuPercent: 99 })]);
  expect(intervals()).toEqual([2_000, 2_000, 2_000, 1_000]);
  view.applyNodes([events.nodeRow("n-1", { cpuPercent: 40 })]);
  expect(intervals()).toEqual([1_000, 1_000, 1_000, 1_000]);
});

describe("a stream", () => {
  test("of a reader that does not read evaluates nothing, and of one that reads stays within its share", async () => {
    let runs = 0;
    const big = "x".repeat(60 * 1024);
    const queries = Array.from(
      { length: 20 },
      (_, i): Query => ({ name: `q${i}`, everyMs: 1, run: () => [++runs, big] }),
    );
    const live = new LiveQueries(new QueryRegistry({ view }, queries));
    const questions = queries.map(({ name }) => name);
    const { body, end } = openStream({ view, topics: [], questions, live, hello, onEnd: () => {} });
    const reader = body.getReader();
    await reader.read();
    expect(runs).toBe(0);
    const startMs = performance.now();
    let bytes = 0;
    // The burst, and then as much again as its share allows.
    while (performance.now() - startMs < 1_500) {
      const turn = await Promise.race([
        reader.read(),
        new Promise<null>((resolve) => setTimeout(resolve, 1_500, null)),
      ]);
      if (turn === null) break;
      bytes += turn.value!.length;
    }
    end();
    // The burst, 64 KB for each second, and the last chunk, which may go beyond.
    expect(bytes).toBeGreaterThan(500 * 1024);
    expect(bytes).toBeLessThan(512 * 1024 + 1_600 * 64 + 256 * 1024);
    expect(runs).toBeGreaterThan(0);
  });
});

describe("over HTTP", () => {
  const dashboard = new TestDashboard();
  beforeAll(async () => {
    await dashboard.start();
    dashboard.view.applyNodes([
      events.nodeRow("n-1"),
      events.nodeRow("n-2", { storeSpilledBytes: 5 * 2 ** 20 }),
    ]);
    dashboard.view.applyTaskEvents(events.taskBatch("d-1", 1, {
      counts: [events.counts("parse", { finished: 90, failed: 10 })],
      rows: [
        events.taskRow("t-1", {
          name: "parse",
          state: "FAILED",
          error: { type: "RangeError", message: "no title" },
        }),
      ],
    }));
  });
  afterAll(() => dashboard.stop());

  test("a query answers by its name, and refuses what makes no sense", async () => {
    const { items } = await (await dashboard.fetch("/api/v1/attention")).json() as AttentionDto;
    expect(items.map((item) => [item.severity, item.title])).toEqual([
      ["bad", "10 of 100 attempts of parse failed"],
      ["warn", "host-a has objects on disk"],
    ]);
    expect(items[0]!.detail).toBe("RangeError: no title");
    expect(items[0]!.filters).toEqual(["name=parse", "state=FAILED"]);
    expect(items[1]!.detail).toBe("5 MiB spilled");
    expect((await dashboard.fetch("/api/v1/tasks?limit=many")).status).toBe(400);
    expect((await dashboard.fetch("/api/v1/trace?id=t-9")).status).toBe(404);
    expect((await dashboard.fetch("/api/v1/nothing")).status).toBe(404);
    expect((await dashboard.fetch(`/api/v1/stream?${"live=a&".repeat(70)}`)).status).toBe(400);
  });

  test("the stream brings the answers that it was asked for, and news of them", async () => {
    const question = "tasks?filter=state%3DFAILED";
    const abort = new AbortController();
    const response = await dashboard.fetch(
      `/api/v1/stream?topics=none&live=${encodeURIComponent(question)}&live=none`,
      {
        signal: abort.signal,
      },
    );
    const frames = framesOf(response.body!);
    expect(await liveFrame(frames, question)).toMatchObject({
      data: { total: 1, rows: [{ taskId: "t-1" }] },
    });
    dashboard.view.applyTaskEvents(
      events.taskBatch("d-1", 2, { rows: [events.taskRow("t-2", { state: "FAILED" })] }),
    );
    expect(await liveFrame(frames, question)).toMatchObject({ data: { total: 2 } });
    abort.abort();
  });

  test("what the cluster uses comes second by second, each host once", () => {
    const clock = { ms: 5_000_000 };
    const view = new ClusterView({ now: () => clock.ms });
    const machine = {
      memoryBytes: 1_000,
      netInPerSecond: 5,
      netOutPerSecond: 7,
      diskBytes: 0,
      diskFreeBytes: 0,
    };
    const rows = [
      events.nodeRow("n-1", {
        cpuPercent: 10,
        rssBytes: 400,
        machine,
        storeUsedBytes: 1,
        storeSpilledBytes: 2,
      }),
      events.nodeRow("n-2", {
        cpuPercent: 10,
        rssBytes: 400,
        machine,
        storeUsedBytes: 1,
        storeSpilledBytes: 2,
      }),
      events.nodeRow("n-3", { cpuPercent: 50, rssBytes: 100, machine, hostname: "host-b" }),
    ];
    view.applyNodes(rows);
    clock.ms += 2_000;
    view.applyNodes(rows.map((row) => ({ ...row, rssBytes: 10 })));
    const { kind, version, data } = view.read("usage", null);
    expect(kind).toBe("snapshot");
    expect(data).toMatchObject({
      atMs: [5_000_000, 5_002_000],
      cpuPercent: [30, 30],
      memoryUsed: [500, 20],
      memoryTotal: [2_000, 2_000],
      storeUsed: [2, 2],
      storeSpilled: [4, 4],
      netIn: [10, 10],
      netOut: [14, 14],
    });
    clock.ms += 1_000;
    view.applyNodes(rows);
    expect(view.read("usage", version)).toMatchObject({
      kind: "delta",
      data: { atMs: [5_002_000, 5_003_000] },
    });
  });

  test("the network's bytes are those of all interfaces but the loopback", () => {
    const table = [
      "Inter-|   Receive                                                |  Transmit",
      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets",
      "    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0",
      "  eth0: 100 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0",
      "  eth1:5 1 0 0 0 0 0 0 6 1 0 0 0 0 0 0",
    ].join("\n");
    expect(networkBytes(table)).toEqual({ netIn: 105, netOut: 26 });
    expect(networkBytes("")).toEqual({ netIn: 0, netOut: 0 });
  });
});
