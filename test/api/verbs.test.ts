/** What the verbs refuse before they ask any cluster. */
import { expect, test } from "bun:test";
import {
  ActorPool,
  asCompleted,
  drainNode,
  getActor,
  isInitialized,
  kill,
  listTasks,
  mapTasks,
  Pool,
  Queue,
  remote,
  Semaphore,
  summarize,
} from "mobula";
import { rejection } from "../support/processes.ts";

test("kill, getActor and mapTasks refuse an option that they do not know, by name", async () => {
  const handle = {} as Parameters<typeof kill>[0];
  expect((await rejection(kill(handle, { restart: true } as never))).message).toBe(
    "Unknown option restart; known: noRestart",
  );
  expect((await rejection(getActor("name", { space: "a" } as never))).message).toBe(
    "Unknown option space; known: namespace",
  );
  const fn = {} as Parameters<typeof mapTasks>[0];
  const mapped = mapTasks(fn, [1], { concurrency: 2 } as never);
  const error = await rejection(mapped.next());
  expect(error).toBeInstanceOf(TypeError);
  expect(error.message).toBe("Unknown option concurrency; known: maxInFlight");
});

/** What it throws, at once or later. */
async function refusal(use: () => unknown): Promise<string> {
  const error = await rejection((async () => await use())());
  return `${error.name}: ${error.message}`;
}

test("what is looped over must be iterable, and what mapTasks calls a remote function", async () => {
  const double = (value: number): number => 2 * value;
  const not = (what: string): string => `TypeError: ${what} must be iterable, such as an array; is number`;
  const pool = new Pool();
  const actors = new ActorPool([]);
  expect(await refusal(() => asCompleted(5 as never).next())).toBe(not("asCompleted(): refs"));
  expect(await refusal(() => mapTasks(remote(double), 5 as never).next())).toBe(not("mapTasks(): inputs"));
  expect(await refusal(() => mapTasks(double as never, [1]).next())).toBe(
    "TypeError: mapTasks() takes a remote function, not function: remote(fn) makes one",
  );
  expect(await refusal(() => new ActorPool(5 as never))).toBe(not("ActorPool: actors"));
  expect(await refusal(() => actors.map(double as never, 5 as never).next())).toBe(not("ActorPool: values"));
  expect(await refusal(() => actors.mapUnordered(double as never, 5 as never).next())).toBe(
    not("ActorPool: values"),
  );
  expect(await refusal(() => pool.imap(double, 5 as never))).toBe(not("Pool: items"));
  const mapped = pool.map(double, 5 as never); // Where others throw, it rejects.
  expect(await refusal(() => mapped)).toBe(not("Pool: items"));
});

test("library actors refuse options that no actor could have", async () => {
  expect(await refusal(() => new Queue({ name: "" }))).toBe("RangeError: Option name must not be empty");
  expect(await refusal(() => new Semaphore(1, { name: 5 as never }))).toBe(
    "TypeError: Option name must be a string, is 5",
  );
  expect(await refusal(() => new Queue({ numCpus: -1 }))).toBe(
    "RangeError: Option numCpus must be a finite number of at least 0, is -1",
  );
  expect(await refusal(() => new Queue({ resources: { CPU: 1 } }))).toBe(
    "RangeError: Option resources must not hold CPU: use numCpus",
  );
});

test("the state API refuses wrong types", async () => {
  const texts = (name: string): string => `TypeError: Option ${name} must be an array of strings`;
  expect(await refusal(() => listTasks({ filters: "state=FAILED" as never }))).toBe(texts("filters"));
  expect(await refusal(() => summarize("tasks", { by: "name" as never }))).toBe(texts("by"));
  expect(await refusal(() => summarize("tasks", { filters: [5] as never }))).toBe(texts("filters"));
  expect(await refusal(() => listTasks({ limit: "5" as never }))).toBe(
    "TypeError: Option limit must be a number, is string",
  );
  expect(await refusal(() => listTasks({ after: null as never }))).toBe(
    "TypeError: Option after must be a string, is null",
  );
  expect(await refusal(() => listTasks({ detail: "yes" as never }))).toBe(
    "TypeError: Option detail must be a boolean, is string",
  );
  expect(await refusal(() => drainNode("n-1", { reason: 5 as never }))).toBe(
    "TypeError: Option reason must be a string, is number",
  );
  expect(await refusal(() => drainNode("n-1", { deadlineMs: Infinity }))).toBe(
    "RangeError: Option deadlineMs must be a finite number of at least 0, is Infinity",
  );
  expect(isInitialized()).toBe(false);
});
