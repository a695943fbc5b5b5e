/**
 * Placement groups as rows for people. The GCS bounds them: what it forgets goes here too.
 * @module
 */
import { fromUnits } from "../../common/resources.ts";
import type { GroupRecord } from "../../core/gcs/group_events.ts";

/** One row of `listPlacementGroups`. */
export interface PlacementGroupRow {
  readonly placementGroupId: string;
  readonly name: string;
  readonly namespace: string;
  readonly state: string;
  /** Why it waits, or was removed. */
  readonly message: string;
  readonly strategy: string;
  readonly bundles: readonly {
    readonly index: number;
    readonly resources: Readonly<Record<string, number>>;
    readonly nodeId: string | null;
  }[];
  readonly jobId: string;
  readonly owner: string;
  readonly detached: boolean;
  readonly createdMs: number;
  /** When it was CREATED first. */
  readonly readyMs: number | null;
  readonly endedMs: number | null;
}

export class PlacementGroupRows {
  readonly #records = new Map<string, GroupRecord>();
  /** Rows that were forgotten. */
  dropped = 0;

  apply(record: GroupRecord): void {
    this.#records.set(record.spec.groupId, record);
  }

  forget(groupId: string): void {
    if (this.#records.delete(groupId)) this.dropped++;
  }

  record(groupId: string): GroupRecord | null {
    return this.#records.get(groupId) ?? null;
  }

  records(): Iterable<GroupRecord> {
    return this.#records.values();
  }
}

export function placementGroupRow(record: GroupRecord): PlacementGroupRow {
  const { spec, state, message, placements, createdMs, readyMs, endedMs } = record;
  return {
    placementGroupId: spec.groupId,
    name: spec.name,
    namespace: spec.namespace,
    state,
    message,
    strategy: spec.strategy,
    bundles: spec.bundles.map((resources, index) => ({
      index,
      resources: fromUnits(resources),
      nodeId: placements[index] ?? null,
    })),
    jobId: spec.jobId,
    owner: spec.owner,
    detached: spec.detached,
    createdMs,
    readyMs,
    endedMs,
  };
}
