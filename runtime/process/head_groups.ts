/**
 * Placement groups at the head: requests of agents become events of the GCS, checked first, and records become rows of the
 * store and back.
 * @module
 */
import type { GroupId, NodeId } from "../common/ids.ts";
import {
  BUNDLES_MAX,
  type GroupSpec,
  type GroupState,
  PLACEMENT_STRATEGIES,
} from "../common/placement_group.ts";
import { isUnits } from "../common/resources.ts";
import type { GcsEvent, GroupWish } from "../core/gcs/gcs_events.ts";
import type { GroupRecord } from "../core/gcs/group_events.ts";
import type { StoredGroup } from "../io/storage/rows.ts";
import type { Handlers } from "../io/transport/rpc.ts";
import { type GroupOutcomes, GROUPS_PER_MESSAGE } from "../protocol/group_messages.ts";
import type { HeadMethods } from "../protocol/messages.ts";

type Ask = <R>(event: (requestId: string) => GcsEvent) => Promise<R>;

/** `ask`: through the GCS, for this agent. `refuseWhenFull` throws while the store takes no writes. */
export function groupHandlers(nodeId: NodeId, ask: Ask, refuseWhenFull: () => void): Handlers<HeadMethods> {
  const wish = (wishes: readonly GroupWish[]): Promise<GroupOutcomes> =>
    ask((requestId) => ({ type: "groupWishes", requestId, wishes }));
  return {
    createGroups: ({ specs }) => {
      refuseWhenFull();
      checkCount("createGroups", specs);
      specs.forEach(checkSpec);
      // Their creator is a process of this node, whatever it says.
      return wish(specs.map((spec) => ({ type: "createGroup", spec: { ...spec, ownerNode: nodeId } })));
    },
    getGroup: ({ name, namespace }) => ask((requestId) => ({ type: "getGroup", requestId, name, namespace })),
    removeGroups: ({ groupIds }) => {
      checkCount("removeGroups", groupIds);
      return wish(groupIds.map((groupId) => ({ type: "removeGroup", groupId })));
    },
    waitGroups: ({ waits }) => {
      checkCount("waitGroups", waits);
      for (const { timeoutMs } of waits) {
        if (timeoutMs !== null && !(timeoutMs >= 0)) {
          throw new RangeError(`waitGroups: timeoutMs is ${timeoutMs}`);
        }
      }
      return wish(waits.map(({ groupId, timeoutMs }) => ({ type: "waitGroup", groupId, timeoutMs })));
    },
    bundlesTold: ({ words }) => ask((requestId) => ({ type: "bundlesTold", requestId, nodeId, words })),
  };
}

function checkCount(method: string, items: readonly unknown[]): void {
  if (!Array.isArray(items)) throw new TypeError(`${method}: no list of groups`);
  if (items.length === 0 || items.length > GROUPS_PER_MESSAGE) {
    throw new RangeError(`${method}: ${items.length} groups, should be 1 to ${GROUPS_PER_MESSAGE}`);
  }
}

export function groupRow(record: GroupRecord): StoredGroup {
  const { spec, endsWithOwner, state, message, placements, createdMs, readyMs, endedMs } = record;
  return {
    groupId: spec.groupId,
    state,
    message: message.slice(0, 4_000),
    spec: JSON.stringify(spec),
    endsWithOwner: endsWithOwner ? 1 : 0,
    placements: JSON.stringify(placements),
    createdMs: Math.round(createdMs),
    readyMs: readyMs === null ? null : Math.round(readyMs),
    endedMs: endedMs === null ? null : Math.round(endedMs),
  };
}

export function groupRecordOf(row: StoredGroup): GroupRecord {
  return {
    spec: JSON.parse(row.spec) as GroupSpec,
    endsWithOwner: row.endsWithOwner === 1,
    state: row.state as GroupState,
    message: row.message,
    placements: JSON.parse(row.placements) as (NodeId | null)[],
    createdMs: row.createdMs,
    readyMs: row.readyMs,
    endedMs: row.endedMs,
  };
}

/** The machine computes with what a spec says: it must at least be possible. */
function checkSpec(spec: GroupSpec): void {
  const what = `createGroups ${String(spec?.groupId as GroupId | undefined)}`;
  for (const field of ["groupId", "jobId", "owner", "name", "namespace"] as const) {
    if (typeof spec[field] !== "string") throw new TypeError(`${what}: ${field} is no text`);
  }
  if (!PLACEMENT_STRATEGIES.includes(spec.strategy)) {
    throw new RangeError(`${what}: strategy is ${String(spec.strategy)}`);
  }
  if (!Array.isArray(spec.bundles) || spec.bundles.length === 0 || spec.bundles.length > BUNDLES_MAX) {
    throw new RangeError(`${what}: bundles must be a list of 1 to ${BUNDLES_MAX}`);
  }
  for (const bundle of spec.bundles) {
    for (const [name, units] of Object.entries(bundle)) {
      if (!isUnits(units) || units === 0) {
        throw new RangeError(`${what}: ${name} is ${String(units)} units`);
      }
    }
  }
}
