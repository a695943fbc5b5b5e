/**
 * Keeps a node's long-lived processes up: with `start --head` a head and an agent, with `start --address` an agent. It
 * starts them in order, writes cluster.json, restarts what dies (supervised_process.ts) and ends all of it in order. It
 * takes no decision about the cluster; it knows processes, not tasks. Its children's lifeline is their stdin: when the
 * supervisor dies, they end, so nothing ever runs unsupervised.
 * @module
 */
import { appendFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { RuntimeName } from "../common/task_spec.ts";
import type { AgentConfig, AgentReady, ClusterFile, HeadConfig, HeadReady } from "./config.ts";
import {
  lockSession,
  processStart,
  publishCluster,
  runningCluster,
  runningSupervisors,
  withdrawCluster,
} from "./session.ts";
import { rotateLog } from "./log_files.ts";
import { SupervisedProcess } from "./supervised_process.ts";

/** What a supervisor is to keep up. */
export interface SupervisorConfig {
  readonly sessionDir: string;
  /** Null: only an agent, which joins the head at `agent.headAddress`. */
  readonly head: HeadConfig | null;
  /** `headAddress` is filled in from the head's ready line when there is a head here. */
  readonly agent: AgentConfig;
  /** The runtime that the supervisor itself is to be started with, when it is a process of its own. */
  readonly runtime: RuntimeName;
}

export interface SupervisorReady {
  readonly ready: true;
  readonly cluster: ClusterFile;
}

export class Supervisor {
  readonly #config: SupervisorConfig;
  readonly #head: SupervisedProcess<HeadReady> | null;
  readonly #agent: SupervisedProcess<AgentReady>;
  readonly #echo: (line: string) => void;
  readonly #ended: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #headReady: HeadReady | null = null;
  #agentReady: AgentReady | null = null;
  #stopping: Promise<void> | null = null;

  /** `echo` gets every line of the supervisor's log as well. */
  constructor(config: SupervisorConfig, echo: (line: string) => void = () => undefined) {
    this.#config = config;
    this.#echo = echo;
    this.#head = config.head === null ? null : new SupervisedProcess<HeadReady>({
      ...this.#common("head"),
      // The same port again: agents and drivers come back to the address that they know.
      config: (last) => ({ ...config.head!, ...(last === null ? {} : { port: portOf(last.address) }) }),
      onReady: (ready) => {
        this.#headReady = ready;
        this.#publish();
      },
    });
    this.#agent = new SupervisedProcess<AgentReady>({
      ...this.#common("agent"),
      // A restarted agent is the same node in a new epoch.
      config: (last) => ({
        ...config.agent,
        ...(this.#headReady === null ? {} : { headAddress: this.#headReady.address }),
        ...(last === null ? {} : { nodeId: last.nodeId }),
      }),
      onReady: (ready) => {
        this.#agentReady = ready;
        this.#publish();
      },
    });
  }

  /** Resolves when all of it is up. Rejects, with nothing left running, when the session is taken or a process fails. */
  async start(): Promise<ClusterFile> {
    const { sessionDir } = this.#config;
    const unlock = lockSession(sessionDir);
    try {
      const running = runningCluster(sessionDir);
      if (running !== null && this.#head !== null) {
        throw new Error(
          `A cluster runs here already: ${running.address} (session ${sessionDir}, process ${running.pid}); ` +
            "end it with `mobula stop`, or set MOBULA_SESSION_DIR for another one",
        );
      }
      this.#log(`supervisor ${process.pid} starts`);
      await this.#head?.start();
      await this.#agent.start();
      return this.#publish()!;
    } catch (error) {
      this.#log((error as Error).message);
      await this.stop();
      throw error;
    } finally {
      unlock();
    }
  }

  /** Resolves when everything has ended, for whatever reason. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** End the agent, so that it can say good-bye, then the head; waits until both are gone. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    await this.#agent.stop();
    await this.#head?.stop();
    const { sessionDir } = this.#config;
    withdrawCluster(sessionDir, process.pid);
    // Sockets of agents that were killed; another supervisor's agent may still use its own.
    if (runningSupervisors(sessionDir).length === 0) {
      rmSync(join(sessionDir, "n"), { recursive: true, force: true });
    }
    this.#log("ended");
    this.#ended.resolve();
  }

  #common(name: string): {
    name: string;
    entry: string;
    logFile: string;
    log: (line: string) => void;
    onDown: (asked: boolean) => void;
  } {
    const suffix = this.#config.head === null ? `-${process.pid}` : "";
    return {
      name,
      entry: `${name}_main.ts`,
      logFile: join(this.#config.sessionDir, "logs", `${name}${suffix}.log`),
      log: (line) => this.#log(line),
      // Told to end by the cluster (a stop from elsewhere): the node ends as a whole. One that failed waits for a person.
      onDown: (asked) => {
        if (asked) void this.stop();
      },
    };
  }

  #publish(): ClusterFile | null {
    const agent = this.#agentReady;
    if (agent === null || this.#stopping !== null) return null;
    const head = this.#headReady;
    const file: ClusterFile = {
      pid: process.pid,
      pidStart: processStart(process.pid),
      clusterId: head?.clusterId ?? agent.clusterId,
      address: head?.address ?? this.#config.agent.headAddress,
      dashboardUrl: head?.dashboardUrl ?? null,
      nodeId: agent.nodeId,
      socketPath: agent.socketPath,
      startedMs: Date.now(),
      isHead: head !== null,
      ...(this.#config.agent.tls === undefined ? {} : { tls: this.#config.agent.tls }),
    };
    publishCluster(this.#config.sessionDir, file);
    return file;
  }

  #log(line: string): void {
    this.#echo(line);
    const path = join(this.#config.sessionDir, "logs", "supervisor.log");
    rotateLog(path);
    appendFileSync(path, `${new Date().toISOString()} ${line}\n`, { mode: 0o600 });
  }
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}
