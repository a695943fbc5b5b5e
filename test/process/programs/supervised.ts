/**
 * A process for supervised_process.test.ts, in the form of head_main.ts and agent_main.ts: config by environment, one ready
 * line, then it does what its config says.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { readProcessConfig } from "../../../runtime/process/config.ts";

interface Config {
  readonly sessionDir: string;
  /** A file that gets a line for each start. */
  readonly starts: string;
  /** What to do, by the number of the start, the last one for all further ones. */
  readonly behaviour: readonly ("live" | "die" | "fail" | "end")[];
}

const config = readProcessConfig<Config>();
appendFileSync(config.starts, `${process.pid}\n`);
const start = readFileSync(config.starts, "utf8").trim().split("\n").length;
const behaviour = config.behaviour[Math.min(start, config.behaviour.length) - 1]!;
if (behaviour === "fail") {
  console.log(JSON.stringify({ ready: false, error: "the reason" }));
  process.exit(1);
}
process.stdout.write(JSON.stringify({ ready: true, start, pid: process.pid }) + "\nonward\n", () => {
  if (behaviour === "die") process.kill(process.pid, "SIGKILL");
  if (behaviour === "end") process.exit(0);
});
process.on("SIGTERM", () => process.exit(0));
process.stdin.on("end", () => process.exit(0)).resume();
