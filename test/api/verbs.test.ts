/** What the verbs refuse before they ask any cluster. */
import { expect, test } from "bun:test";
import { getActor, kill, mapTasks } from "mobula";
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
