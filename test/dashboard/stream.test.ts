/**
 * The live stream: snapshots first, then differences; nothing is queued for who does not read; it ends when it should.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { LiveQueries } from "../../dashboard/server/live_queries.ts";
import { QueryRegistry } from "../../dashboard/server/queries/registry.ts";
import { openStream } from "../../dashboard/server/stream.ts";
import type { StreamFrame, Topic } from "../../dashboard/api_types.ts";
import { ClusterView } from "../../runtime/io/telemetry/cluster_view.ts";
import * as events from "./cluster_events.ts";
import { META, TestDashboard } from "./dashboard_fixture.ts";

const dashboard = new TestDashboard();
beforeEach(() => dashboard.restart());
afterEach(() => dashboard.stop());

/** Frames of a stream, one after the other. */
async function* framesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamFrame> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield JSON.parse(line) as StreamFrame;
  }
}

async function until(frames: AsyncGenerator<StreamFrame>, topic: string): Promise<StreamFrame> {
  for (;;) {
    const { done, value } = await frames.next();
    if (done) throw new Error("the stream ended");
    if (value.topic === topic) return value;
  }
}

function report(view: ClusterView, sequence: number, finished: number): void {
  view.applyTaskEvents(events.taskBatch("d-1", sequence, { counts: [events.counts("add", { finished })] }));
}

test("begins with who speaks and snapshots, and goes on with differences", async () => {
  const { view } = dashboard;
  report(view, 1, 5);
  view.applyTaskEvents(events.taskBatch("d-2", 1, { counts: [events.counts("mul", { finished: 1 })] }));
  const response = await dashboard.fetch("/api/v1/stream?topics=functions,nodes");
  expect(response.headers.get("content-type")).toContain("application/x-ndjson");
  const frames = framesOf(response.body!);
  expect((await frames.next()).value).toMatchObject({
    seq: 0,
    topic: "hello",
    data: { clusterId: "c-test" },
  });
  const first = await until(frames, "functions");
  expect(first).toMatchObject({ kind: "snapshot", data: { total: 2 } });
  report(view, 2, 9);
  const second = await until(frames, "functions");
  expect(second).toMatchObject({ kind: "delta", data: { rows: [{ name: "add", finished: 9 }] } });
  expect(second.seq).toBeGreaterThan(first.seq);
  await frames.return(undefined);
});

test("who does not read gets, when it reads again, the newest state once and not what it missed", async () => {
  const clock = { ms: 1_000_000 };
  const view = new ClusterView({ now: () => clock.ms });
  const topics: Topic[] = ["functions"];
  const hello = () => ({ ...META, role: "full" as const, nowMs: 0, topics });
  const { body, end } = openStream({ view, topics, hello, onEnd: () => {} });
  const frames = framesOf(body);
  report(view, 1, 1);
  await until(frames, "functions");
  for (let sequence = 2; sequence <= 500; sequence++) {
    report(view, sequence, sequence);
    clock.ms += 1_000;
    view.version("functions");
  }
  expect(await until(frames, "functions")).toMatchObject({ data: { rows: [{ finished: 500 }] } });
  end();
  expect((await frames.next()).done).toBe(true);
});

test("topics wait for the answer that they go with, where a page wants few frames", async () => {
  const view = new ClusterView();
  const asked = { times: 0 };
  const count = { name: "count", everyMs: 600, run: () => Promise.resolve(++asked.times) };
  const live = new LiveQueries(new QueryRegistry({ view }, [count]));
  const topics: Topic[] = ["functions"];
  const hello = () => ({ ...META, role: "full" as const, nowMs: 0, topics });
  const options = { view, topics, questions: ["count"], live, hello, onEnd: () => {} };
  const { body, end } = openStream({ ...options, topicsEveryMs: 60_000 });
  const frames = framesOf(body);
  report(view, 1, 1);
  expect(await until(frames, "live")).toMatchObject({ data: 1 });
  report(view, 2, 2);
  // By itself it would come 350 ms before the answer.
  const next = (await frames.next()).value as StreamFrame;
  expect(next).toMatchObject({ topic: "live", data: 2 });
  expect(await until(frames, "functions")).toMatchObject({ data: { rows: [{ finished: 2 }] } });
  end();
});

test("ends when the server does, and is forgotten when the reader goes", async () => {
  const response = await dashboard.fetch("/api/v1/stream");
  const frames = framesOf(response.body!);
  await frames.next();
  const stopped = dashboard.stop();
  // Cleanly or by a broken connection: the reader tries again either way.
  await (async () => {
    for await (const _ of frames);
  })().catch(() => {});
  await stopped;
  let ended = 0;
  const hello = () => ({ ...META, role: "full" as const, nowMs: 0, topics: [] });
  const stream = openStream({ view: new ClusterView(), topics: [], hello, onEnd: () => ended++ });
  const reader = stream.body.getReader();
  await reader.read();
  const waiting = reader.read();
  await reader.cancel();
  expect((await waiting).done).toBe(true);
  stream.end();
  expect(ended).toBe(1);
});

test("streams are limited, and a closed one makes room", async () => {
  // Answers that nobody holds are collected, and their streams end.
  const open: { readonly abort: AbortController; readonly response: Response }[] = [];
  const ask = async (): Promise<number> => {
    const abort = new AbortController();
    const response = await dashboard.fetch("/api/v1/stream", { signal: abort.signal });
    if (response.status === 200) open.push({ abort, response });
    return response.status;
  };
  for (let i = 0; i < 200; i++) expect(await ask()).toBe(200);
  expect(await ask()).toBe(503);
  open.pop()!.abort.abort();
  for (;;) if (await ask() === 200) break;
  for (const { abort } of open) abort.abort();
});
