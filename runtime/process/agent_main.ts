/**
 * Entry of an agent process: config from the environment, one ready line on stdout, then its log. Ends on SIGTERM, on the
 * end of its stdin when that is its lifeline, and when the head ends or fences it. Fenced, it exits with a code of its own: the
 * node is to be started again, as a new incarnation.
 * @module
 */
import { rmSync } from "node:fs";
import { openLocalStore } from "../io/store/local_store.ts";
import { Agent } from "./agent.ts";
import { type AgentConfig, type AgentReady, type NotReady, readProcessConfig } from "./config.ts";

/** Anything but 0: whoever keeps the agent up takes 0 for an end that was asked for. */
const FENCED_EXIT_CODE = 75;

function say(line: AgentReady | NotReady): Promise<void> {
  return new Promise((resolve) => process.stdout.write(`${JSON.stringify(line)}\n`, () => resolve()));
}

function log(line: string): void {
  console.error(`${new Date().toISOString()} agent ${line}`);
}

/** The first line that comes; none comes when the lifeline is cut. */
function lineOf(input: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const onData = (chunk: Uint8Array): void => {
      text += new TextDecoder().decode(chunk);
      const end = text.indexOf("\n");
      if (end < 0) return;
      input.off("data", onData);
      resolve(text.slice(0, end));
    };
    input.on("data", onData);
  });
}

async function main(): Promise<void> {
  let config: AgentConfig;
  let agent: Agent | null = null;
  let ending = false;
  const end = async (why: string, { isOrphan = false, code = 0 } = {}): Promise<void> => {
    if (ending) return;
    ending = true;
    log(`ends: ${why}`);
    await agent?.stop().catch((error: Error) => log(`stopping failed: ${error.stack}`));
    // Only when its driver is gone: the head and other agents may live on in the folder otherwise.
    if (config.ephemeral && isOrphan) rmSync(config.sessionDir, { recursive: true, force: true });
    process.exit(code);
  };
  try {
    config = readProcessConfig<AgentConfig>();
    // Before the start: a driver that dies meanwhile must not leave an agent behind.
    process.on("SIGTERM", () => void end("SIGTERM"));
    process.on("SIGINT", () => void end("SIGINT"));
    if (config.lifeline) {
      const cut = (): void => void end("its lifeline was cut", { isOrphan: true });
      process.stdin.on("end", cut).on("close", cut).on("error", cut);
      if (config.headAddress === "") config = { ...config, headAddress: await lineOf(process.stdin) };
      process.stdin.resume();
    }
    agent = await Agent.start(config, {
      openStore: (host) => openLocalStore(host, config),
      onEnd: (reason, fenced) => void end(reason, { code: fenced ? FENCED_EXIT_CODE : 0 }),
      log,
    });
  } catch (error) {
    await say({ ready: false, error: (error as Error).message });
    process.exit(1);
  }
  if (ending) return await agent.stop();
  const { nodeId, clusterId, address, socketPath } = agent;
  await say({ ready: true, nodeId, clusterId, address, socketPath, pid: process.pid });
}

void main();
