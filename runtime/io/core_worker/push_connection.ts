/**
 * Opens a push connection to a worker of this node over its own socket.
 * @module
 */
import { runtimeName } from "#platform";
import { PROTOCOL_VERSION } from "../../common/config.ts";
import type { Role } from "../../protocol/messages.ts";
import { connectUnix } from "../transport/unix.ts";
import type { WorkerAddress } from "./core_context.ts";
import type { CoreWorker } from "./core_worker.ts";
import type { PushChannel } from "./push_channel.ts";

/** What every process of a cluster knows of it. */
export interface Membership {
  readonly token: string;
  readonly clusterId: string | null;
  readonly role: Role;
}

export async function connectWorker(
  address: WorkerAddress,
  core: CoreWorker,
  { token, clusterId, role }: Membership,
): Promise<PushChannel> {
  const { self, node, jobId } = core.identity;
  return await connectUnix({
    path: address.socketPath,
    hello: {
      version: PROTOCOL_VERSION,
      token,
      role,
      id: self,
      clusterId,
      epoch: 0,
      pid: process.pid,
      runtime: runtimeName,
      purpose: "push",
      nodeId: node,
      ...(jobId && { jobId }),
    },
  });
}
