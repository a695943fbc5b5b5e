/**
 * What the pull manager (pull_manager.ts) knows of objects on their way and of who waits for them.
 * @module
 */
import { INLINE_BYTES_MAX } from "../../common/config.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { ByteRange } from "./pull_ranges.ts";
import type { PullPurpose } from "./pull_types.ts";

/** Lower is more urgent. */
export const URGENCY: Readonly<Record<PullPurpose, number>> = {
  get: 0,
  wait: 1,
  argument: 2,
  prefetch: 3,
};

export type ObjectState = "locating" | "located" | "reserving" | "fetching" | "paused";

/** One object on its way. Only the pull manager changes it. */
export interface Pull {
  readonly id: ObjectId;
  readonly home: NodeId;
  /** The node that made it, as soon as one of the askers knows. */
  at: NodeId | undefined;
  state: ObjectState;
  /** Holders that send nothing and have not failed in this round, the best first. */
  nodes: NodeId[];
  /** Holders that have named others, and those whose streams broke on the way: the last resort, in this order. */
  busy: NodeId[];
  /** In this round: holders, and nodes that busy ones have referred to. None is taken up twice. */
  named: Set<NodeId>;
  /** In state fetching: the holders that send, each with what it sends. */
  readonly senders: Map<NodeId, ByteRange>;
  /** In state fetching: what nobody sends yet. */
  unsent: ByteRange[];
  bytes: number;
  round: number;
  /** In state paused: when to ask again. */
  retryMs: number;
  lastError: string;
  lastCode: string;
  /** All bundles that miss it. */
  readonly wantedBy: Set<Bundle>;
}

/** What somebody waits for under one key. Only the pull manager changes it. */
export interface Bundle {
  readonly key: string;
  readonly purpose: PullPurpose;
  readonly fetch: boolean;
  /** Whether it holds on to what is here while it is admitted, and when it is ready. */
  readonly pins: boolean;
  readonly sequence: number;
  /** See PullEvent. */
  readonly depth: number;
  /** What is not here yet. */
  readonly missing: Map<ObjectId, Pull>;
  readonly here: Map<ObjectId, NodeId>;
  admitted: boolean;
}

/** Whether the sizes of all that it misses are known and somebody may have it. */
export function isLocated(bundle: Bundle): boolean {
  for (const pull of bundle.missing.values()) {
    if (pull.state === "locating" || pull.state === "paused") return false;
  }
  return true;
}

export function isForAdmitted(pull: Pull): boolean {
  for (const bundle of pull.wantedBy) if (bundle.admitted) return true;
  return false;
}

export function holdsRoom(pull: Pull): boolean {
  return pull.state === "reserving" || pull.state === "fetching";
}

export function missingBytes(bundle: Bundle): number {
  let bytes = 0;
  for (const pull of bundle.missing.values()) if (pull.state === "located") bytes += storeBytes(pull);
  return bytes;
}

/** Small objects never wait for room. */
export function storeBytes(pull: Pull): number {
  return pull.bytes <= INLINE_BYTES_MAX ? 0 : pull.bytes;
}
