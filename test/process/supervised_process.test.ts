/** A process that is kept alive: real processes, which tell by a file how often they were started. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SupervisedProcess } from "../../runtime/process/supervised_process.ts";

interface Ready {
  readonly ready: true;
  readonly start: number;
  readonly pid: number;
}

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function supervise(behaviour: readonly string[]) {
  const readies: Ready[] = [];
  const lines: string[] = [];
  const down = Promise.withResolvers<boolean>();
  const waiting: { count: number; resolve: () => void }[] = [];
  const process = new SupervisedProcess<Ready>({
    name: "program",
    entry: new URL("programs/supervised.ts", import.meta.url).href,
    config: () =>
      ({ runtime: "bun", sessionDir: folder, starts: join(folder, "starts"), behaviour }) as {
        runtime: "bun";
      },
    logFile: join(folder, "log"),
    log: (line) => lines.push(line),
    onReady: (ready) => {
      readies.push(ready);
      for (const { count, resolve } of waiting) if (readies.length >= count) resolve();
    },
    onDown: down.resolve,
  });
  const readyTimes = (count: number) =>
    new Promise<void>((resolve) => readies.length >= count ? resolve() : waiting.push({ count, resolve }));
  return { process, readies, lines, down: down.promise, readyTimes };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test("a process that dies is started again, and ends when it is asked to", async () => {
  const { process, readies, lines, readyTimes } = supervise(["die", "live"]);
  expect((await process.start()).start).toBe(1);
  await readyTimes(2);
  expect(lines).toEqual(["program died (SIGKILL)", "starting program again"]);
  const pid = readies[1]!.pid;
  expect(isAlive(pid)).toBe(true);
  await process.stop();
  await process.stop();
  expect(isAlive(pid)).toBe(false);
  expect(lines.length).toBe(2);
  expect(readFileSync(join(folder, "log"), "utf8")).toContain("onward");
});

test("a process that was told to end stays down", async () => {
  const { process, lines, down } = supervise(["end"]);
  await process.start();
  expect(await down).toBe(true);
  expect(lines).toEqual(["program ended because it was asked to"]);
});

test("a process that cannot start fails the first start with its own reason", async () => {
  const { process, lines } = supervise(["fail"]);
  await expect(process.start()).rejects.toThrow(
    `Cannot start supervised: the reason (its log is ${join(folder, "log")})`,
  );
  expect(lines).toEqual([]);
  await process.stop();
});

test("one that dies again and again stays down after five restarts, and the log says so", async () => {
  const { process, lines, readies, down } = supervise(["die", "die", "fail", "die"]);
  await process.start();
  expect(await down).toBe(false);
  expect(readies.length).toBe(5);
  expect(lines.filter((line) => line === "starting program again").length).toBe(5);
  expect(lines.at(-1)).toStartWith("program stays down: it died more than 5 times in 60 s.");
  expect(lines).toContain(`program: Cannot start supervised: the reason (its log is ${join(folder, "log")})`);
  await process.stop();
});
