/**
 * What the Now page's queries answer, as types.
 * @module
 */

/** Something that needs attention. */
export interface AttentionItem {
  readonly key: string;
  readonly severity: "bad" | "warn" | "info";
  readonly kind: "node" | "function" | "actor" | "demand" | "job" | "missing";
  readonly title: string;
  /** Why, in the words of who knows; may be empty. */
  readonly detail: string;
  /** What to look at. */
  readonly id?: string;
  /** The tasks to look at. */
  readonly filters?: readonly string[];
}

/** `attention` */
export interface AttentionDto {
  readonly items: readonly AttentionItem[];
}

/** `slots`: every worker slot of the nodes that are alive. */
export interface SlotsDto {
  readonly nodes: readonly NodeSlots[];
  /** Names of what runs; cells refer to them by index. */
  readonly names: readonly string[];
  /** Workers that are left out, because there are too many. */
  readonly left: number;
}

export interface NodeSlots {
  readonly nodeId: string;
  readonly hostname: string;
  readonly cells: readonly SlotCell[];
}

export interface SlotCell {
  readonly workerId: string;
  readonly state: "STARTING" | "IDLE" | "BUSY" | "ACTOR";
  /** What it runs, when it is known. */
  readonly name: number | null;
  /** What to look at: the task that it runs, else the actor that lives there. */
  readonly id: string | null;
}
