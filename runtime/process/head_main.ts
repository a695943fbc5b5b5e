/**
 * Entry of a head process: config from the environment, one ready line on stdout, then its log. Ends on SIGTERM, on the end
 * of its stdin when that is its lifeline, and when the cluster is stopped; exits 70 when its store failed for good.
 * @module
 */
import { rmSync } from "node:fs";
import { type HeadConfig, type HeadReady, type NotReady, readProcessConfig } from "./config.ts";
import { Head } from "./head.ts";

/** sysexits' EX_SOFTWARE: the supervisor starts another head, which reads the store anew. */
const EXIT_STORE_FAILED = 70;

function say(line: HeadReady | NotReady): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve()));
}

function log(line: string): void {
  console.error(`${new Date().toISOString()} head ${line}`);
}

async function main(): Promise<void> {
  let config: HeadConfig;
  let head: Head | null = null;
  let ending = false;
  let isOrphan = false;
  const end = async (exitCode: number, how: (head: Head) => Promise<void>): Promise<void> => {
    if (ending) return;
    ending = true;
    if (head !== null) await how(head).catch((error: Error) => log(`stopping failed: ${error.stack}`));
    // Only when its driver is gone: a head that was asked to end may be started again on its store.
    if (config.ephemeral && isOrphan) rmSync(config.sessionDir, { recursive: true, force: true });
    process.exit(exitCode);
  };
  try {
    config = readProcessConfig<HeadConfig>();
    // Before the start: a driver that dies meanwhile must not leave a head behind.
    const asked = () => void end(0, (head) => head.stop());
    process.on("SIGTERM", asked);
    process.on("SIGINT", asked);
    if (config.lifeline) {
      const cut = () => {
        isOrphan = true;
        asked();
      };
      process.stdin.on("end", cut).on("close", cut).on("error", cut).resume();
    }
    head = await Head.start(config, {
      log,
      onFatal: (error) => {
        log(`the store failed, this head ends: ${error.code} ${error.message}`);
        process.exit(EXIT_STORE_FAILED);
      },
      onStop: (reason) => {
        log(`the cluster ends: ${reason}`);
        void end(0, (head) => head.endCluster(reason));
      },
    });
  } catch (error) {
    await say({ ready: false, error: (error as Error).message });
    process.exit(1);
  }
  if (ending) return;
  const { clusterId, address, dashboardUrl } = head;
  await say({ ready: true, clusterId, address, dashboardUrl, pid: process.pid });
}

void main();
