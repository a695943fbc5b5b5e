/**
 * The supervisor as a process of its own: what `mobula start` leaves behind. Config by environment and one ready line, as
 * for head and agent (config.ts); SIGTERM ends the node. Its stdin is no lifeline: it outlives who started it.
 * @module
 */
import { readProcessConfig } from "./config.ts";
import { Supervisor, type SupervisorConfig, type SupervisorReady } from "./supervisor.ts";

const supervisor = new Supervisor(readProcessConfig<SupervisorConfig>());
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void supervisor.stop());
// The terminal that it was started from may close.
process.on("SIGHUP", () => undefined);
try {
  const cluster = await supervisor.start();
  process.stdout.write(JSON.stringify({ ready: true, cluster } satisfies SupervisorReady) + "\n");
  await supervisor.ended;
  process.exit(0);
} catch (error) {
  process.stdout.write(JSON.stringify({ ready: false, error: (error as Error).message }) + "\n");
  process.exit(1);
}
