/**
 * What becomes of an object of which no copy is left: its owner is asked, through the owner's agent, to make it again. The
 * answer is waited for as long as it takes; a connection that breaks is made again until the owner's node is dead.
 * @module
 */
import { errorOfCode, isErrorCode, OwnerDiedError } from "../common/errors.ts";
import { type NodeId, type ObjectId, possibleOwners } from "../common/ids.ts";
import type { PeerMethods } from "../protocol/messages.ts";
import type { Heirs } from "./agent_heirs.ts";
import type { Peers } from "./agent_peers.ts";
import type { ProcessTable } from "./agent_processes.ts";

type Wanted = PeerMethods["rebuildObject"]["params"];
type Remade = PeerMethods["rebuildObject"]["result"];

/** A peer that cannot be asked is tried again after this long, until it is declared dead. */
const RETRY_MS = 200;

export interface RebuildsParts {
  readonly nodeId: NodeId;
  readonly peers: Peers;
  readonly processes: ProcessTable;
  readonly heirs: Heirs;
}

/** Where an object is that was found lost, and which making of it that is; null before it was made again. */
export type Remaking = Remade | null;

/** Have a lost object made again, `last` being what was said the last time. Rejects with why it cannot; `lost`: what the GCS
 *  says. */
export async function rebuilt(
  parts: RebuildsParts,
  { id, home }: { readonly id: ObjectId; readonly home: NodeId },
  last: Remaking,
  lost: Error,
): Promise<Remade> {
  const params = { id, home, lost: last?.made ?? 0 };
  let remade: Remade;
  try {
    remade = home === parts.nodeId ? await rebuiltHere(parts, params) : await askHome(parts.peers, params);
  } catch (error) {
    const { code = "", message } = error as { code?: string; message: string };
    const known = isErrorCode(code) && code !== "MobulaError" ? code : "OwnerDiedError";
    if (code === "TaskCancelledError") throw error;
    throw errorOfCode(known, `${lost.message}. It is not made again: ${message}`, { objectId: id });
  }
  // Said twice, and not found there twice.
  if (last !== null && last.made === remade.made && last.at === remade.at) throw lost;
  return remade;
}

/** PeerMethods.rebuildObject: the owner is, or was, a process of this node. */
export async function rebuiltHere(
  { processes, heirs }: Pick<RebuildsParts, "processes" | "heirs">,
  params: Wanted,
): Promise<Remade> {
  for (const id of possibleOwners(params.id)) {
    const owner = processes.get(id);
    if (owner === undefined) continue;
    try {
      return (await owner.rpc.request("rebuildObject", params)).result;
    } catch (error) {
      const { code = "" } = error as { code?: string };
      // It refers to it no longer, or ends while it is asked.
      const isOver = code === "ObjectLostError" || !isErrorCode(code);
      if (!isOver || !heirs.has(params.id)) throw error;
    }
  }
  return await heirs.rebuild(params);
}

async function askHome(peers: Peers, params: Wanted): Promise<Remade> {
  const { id, home } = params;
  for (;;) {
    try {
      peers.addressOf(home); // Throws when it is dead.
    } catch (error) {
      throw new OwnerDiedError(`its owner died with node ${home}: ${(error as Error).message}`, {
        objectId: id,
      });
    }
    try {
      return (await peers.request(home, "rebuildObject", params)).result;
    } catch (error) {
      if (isErrorCode((error as { code?: string }).code ?? "")) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}
