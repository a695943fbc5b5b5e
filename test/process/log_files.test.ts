/** Limits of a session's log files. */
import { expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pruneWorkerLogs, rotateLog } from "../../runtime/process/log_files.ts";

function withFolder(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
  try {
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** `age` in seconds. */
function log(folder: string, name: string, bytes: number, age: number): string {
  const path = join(folder, name);
  writeFileSync(path, "x".repeat(bytes));
  utimesSync(path, 1_000_000 - age, 1_000_000 - age);
  return path;
}

test("the oldest ended workers' logs go, by number and by size; living workers' and other logs stay", () =>
  withFolder((folder) => {
    for (let i = 0; i < 6; i++) log(folder, `w-${i}.log`, 10, i);
    log(folder, "head.log", 1_000, 100);
    const living = log(folder, "w-living.log", 1_000, 50);
    pruneWorkerLogs(folder, new Set([living]), { files: 4, bytes: 1_000 });
    const others = ["head.log", "w-living.log"];
    expect(readdirSync(folder).sort()).toEqual(
      [...others, "w-0.log", "w-1.log", "w-2.log", "w-3.log"].sort(),
    );
    pruneWorkerLogs(folder, new Set([living]), { files: 4, bytes: 25 });
    expect(readdirSync(folder).sort()).toEqual([...others, "w-0.log", "w-1.log"].sort());
  }));

test("a log that is too large is put aside, in place of the one before; smaller and absent ones are left", () =>
  withFolder((folder) => {
    const path = log(folder, "head.log", 20, 0);
    rotateLog(path, 20);
    rotateLog(join(folder, "absent.log"), 20);
    expect(readdirSync(folder)).toEqual(["head.log"]);
    writeFileSync(`${path}.old`, "before");
    writeFileSync(path, "y".repeat(21));
    rotateLog(path, 20);
    expect(readdirSync(folder)).toEqual(["head.log.old"]);
    expect(readFileSync(`${path}.old`, "utf8")).toBe("y".repeat(21));
  }));
