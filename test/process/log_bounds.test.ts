/** A log that is written to all the time has a bound, and no line is lost to it. */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { LogTails } from "../../runtime/process/agent_logs.ts";
import { logStart } from "../../runtime/io/logs/log_folder.ts";
import { LogBounds } from "../../runtime/process/log_bounds.ts";
import { waitFor } from "../support/wait_for.ts";

const MB = 1024 * 1024;

test(
  "the beginning of a large log goes back to the disk while it is written, and the tail has every line",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
    const path = join(folder, "w-1.log");
    const tails = new LogTails(new LogBounds(2 * MB, MB));
    try {
      closeSync(openSync(path, "a", 0o600));
      let seen = 0;
      let dropped = 0;
      let last = "";
      tails.add(path, (batches) => {
        for (const batch of batches) {
          seen += batch.lines.length;
          dropped += batch.dropped;
          last = batch.lines.at(-1)!;
        }
        return true;
      });
      const lines = 100_000;
      const out = openSync(path, "a");
      // Another process, which knows nothing of bounds.
      const program = `for (let i = 0; i < ${lines}; i++) console.log("line " + i + " " + "x".repeat(90))`;
      const writer = spawn(process.execPath, ["-e", program], { stdio: ["ignore", out, "inherit"] });
      closeSync(out);
      await once(writer, "exit");
      await waitFor("the last line", () => last.startsWith(`line ${lines - 1} `));
      expect(seen + dropped).toBe(lines);
      const fd = openSync(path, "r");
      try {
        await waitFor("the beginning to go", () => fstatSync(fd).blocks * 512 <= 2 * MB);
        const start = logStart(fd);
        expect(start).toBeGreaterThan(7 * MB);
        const kept = readFileSync(path).subarray(start).toString().split("\n").slice(1, -1);
        expect(kept.length).toBeGreaterThan(8_000);
        expect(kept.at(-1)).toBe(last);
        expect(kept[0]).toStartWith(`line ${lines - kept.length} `);
      } finally {
        closeSync(fd);
      }
    } finally {
      tails.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  20_000,
);

test("a log without a hole begins at its beginning", () => {
  const folder = mkdtempSync(join(tmpdir(), "mobula-test-"));
  try {
    const fd = openSync(join(folder, "w-2.log"), "w+");
    writeSync(fd, "x\n".repeat(10_000));
    expect(logStart(fd)).toBe(0);
    closeSync(fd);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
