/**
 * Jobs of this node's drivers: opened when a driver registers, ended when it says so or is gone.
 * @module
 */
import type { JobId, NodeId } from "../common/ids.ts";
import type { ResourceSet } from "../common/resources.ts";
import type { UserMetrics } from "../io/telemetry/metrics/user_metrics.ts";
import type { AgentMethods } from "../protocol/messages.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { Leases } from "./agent_leases.ts";
import type { AttachedProcess } from "./agent_processes.ts";

export interface JobsParts {
  readonly nodeId: NodeId;
  readonly headAddress: string;
  readonly resources: ResourceSet;
  readonly head: HeadLink;
  readonly leases: Leases;
  readonly metrics: UserMetrics;
  readonly dashboardUrl: () => string | null;
  /** What each driver is to hear when it comes. */
  readonly warnings: readonly string[];
  /** Workers to have ready when a driver comes. */
  readonly prestart: number;
}

export class Jobs {
  readonly #parts: JobsParts;

  constructor(parts: JobsParts) {
    this.#parts = parts;
  }

  /** AgentMethods.registerDriver: answered after the job's commit. */
  async registerDriver(
    process: AttachedProcess,
    { namespace, entrypoint, quiet }: AgentMethods["registerDriver"]["params"],
  ): Promise<AgentMethods["registerDriver"]["result"]> {
    if (process.role !== "driver") throw new TypeError(`${process.id} is no driver.`);
    const { head, leases, nodeId, headAddress, resources, dashboardUrl, prestart } = this.#parts;
    leases.step({ type: "prestart", count: prestart });
    const { result } = await head.request("addJob", {
      driverId: process.id,
      nodeId,
      namespace,
      entrypoint,
      pid: process.pid,
      runtime: process.runtime,
    });
    process.jobId = result.jobId;
    process.namespace = result.namespace;
    process.quiet = quiet === true;
    for (const text of this.#parts.warnings) process.rpc.notify("message", { level: "warning", text });
    // It left while its job was being opened.
    if (!process.rpc.connection.isOpen) this.driverGone(process);
    return {
      ...result,
      nodeId,
      nodeResources: resources,
      dashboardUrl: dashboardUrl(),
      address: headAddress,
    };
  }

  /** AgentMethods.endJob: a driver's good-bye. */
  async endJob(process: AttachedProcess, jobId: JobId): Promise<Record<string, never>> {
    if (process.jobId !== jobId || process.role !== "driver") {
      throw new TypeError(`${process.id} cannot end ${jobId}: it is not its job.`);
    }
    process.ended = true;
    await this.#parts.head.request("endJob", { jobId, reason: "the driver ended it", failed: false }, [], {
      keep: true,
    });
    this.ended(jobId);
    return {};
  }

  /** A driver's connection is over. `exit`: of a program that we run ourselves, the exit code to come (null: a signal). */
  driverGone(process: AttachedProcess, exit: Promise<number | null> | null = null): void {
    const { jobId } = process;
    if (jobId === null || process.ended) return;
    process.ended = true;
    const reason = `the driver ${process.id} (pid ${process.pid}) went away without ending its job`;
    const tell = (failed: boolean, why: string): void => {
      const params = { jobId, reason: why, failed };
      this.#parts.head.request("endJob", params, [], { keep: true }).catch(() => undefined);
    };
    // A program that ends by process.exit(0) says no good-bye, and has not failed.
    if (exit === null) tell(true, reason);
    else {
      void exit.then((code) =>
        code === 0 ? tell(false, "its program ended with exit code 0") : tell(true, reason)
      );
    }
    this.ended(jobId);
  }

  /** The head says, or we know, that a job is over: its driver's leases and idle workers here end. */
  ended(jobId: JobId): void {
    this.#parts.leases.step({ type: "jobEnded", jobId });
    this.#parts.metrics.jobEnded(jobId, Date.now());
  }
}
