/** The session folder: modes, token, and which cluster.json is true. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterFile, clusterFilePath, readToken, tokenPath } from "../../runtime/process/config.ts";
import {
  isRunning,
  lockSession,
  newToken,
  prepareSessionDir,
  processStart,
  publishCluster,
  runningCluster,
  runningSupervisors,
  withdrawCluster,
  writeToken,
} from "../../runtime/process/session.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function clusterFile(changes: Partial<ClusterFile>): ClusterFile {
  return {
    pid: process.pid,
    pidStart: processStart(process.pid),
    clusterId: "c",
    address: "127.0.0.1:6380",
    dashboardUrl: null,
    nodeId: "n-1",
    socketPath: join(folder, "n/1/a.sock"),
    startedMs: 0,
    isHead: true,
    ...changes,
  };
}

const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8);

test("folder and token are closed to others, also when the folder was open before", () => {
  const sessionDir = prepareSessionDir(join(folder, "session"));
  writeToken(sessionDir, newToken());
  expect([modeOf(sessionDir), modeOf(tokenPath(sessionDir))]).toEqual(["700", "600"]);
  expect(readToken(sessionDir)).toMatch(/^[0-9a-f]{64}$/);
  expect(newToken()).not.toBe(newToken());
});

test("a folder whose path leaves no room for sockets is refused with the way out", () => {
  expect(() => prepareSessionDir(join(folder, "x".repeat(80)))).toThrow(
    /longer than 60 bytes.*MOBULA_SESSION_DIR/,
  );
});

test("a folder that cannot be made is refused with the reason and the way out", () => {
  const file = join(folder, "file");
  writeFileSync(file, "");
  expect(() => prepareSessionDir(file)).toThrow(
    /^Cannot make the session folder .*\/file: EEXIST.*; set MOBULA_SESSION_DIR to another one$/,
  );
});

test("a cluster file counts while its supervisor lives", () => {
  expect(runningCluster(folder)).toBeNull();
  publishCluster(folder, clusterFile({}));
  expect(runningCluster(folder)).toEqual(clusterFile({}));
  withdrawCluster(folder, process.pid);
  expect(existsSync(clusterFilePath(folder))).toBe(false);
});

test("a reused pid, a dead pid and a broken file are no cluster", () => {
  for (
    const text of [
      JSON.stringify(clusterFile({ pidStart: "1" })),
      JSON.stringify(clusterFile({ pid: 2 ** 22 + 1, pidStart: null })),
      "{",
      "null",
    ]
  ) {
    writeFileSync(clusterFilePath(folder), text);
    expect(runningCluster(folder)).toBeNull();
  }
});

test("a second supervisor stands beside the first, and takes back only its own", () => {
  const parent = { pid: process.ppid, pidStart: processStart(process.ppid), nodeId: "n-2", isHead: false };
  publishCluster(folder, clusterFile({}));
  publishCluster(folder, clusterFile(parent));
  expect(runningSupervisors(folder).map((file) => file.nodeId).sort()).toEqual(["n-1", "n-2"]);
  expect(runningCluster(folder)!.nodeId).toBe("n-1");
  withdrawCluster(folder, process.ppid);
  expect(runningSupervisors(folder).map((file) => file.nodeId)).toEqual(["n-1"]);
});

test("a stale cluster file gives way to a new cluster", () => {
  writeFileSync(clusterFilePath(folder), JSON.stringify(clusterFile({ pidStart: "1", nodeId: "n-old" })));
  publishCluster(folder, clusterFile({}));
  expect(runningCluster(folder)!.nodeId).toBe("n-1");
});

test("one start at a time holds a session; the lock of a dead one is taken over", () => {
  const unlock = lockSession(folder);
  expect(() => lockSession(folder)).toThrow(
    `Another start is under way in ${folder} (process ${process.pid})`,
  );
  unlock();
  writeFileSync(join(folder, "start.lock"), JSON.stringify({ pid: process.pid, pidStart: "1" }));
  lockSession(folder)();
  expect(existsSync(join(folder, "start.lock"))).toBe(false);
});

test("this process runs, and knows since when", () => {
  expect(isRunning({ pid: process.pid, pidStart: processStart(process.pid) })).toBe(true);
  expect(processStart(process.pid)).toMatch(/^\d+$/);
});
