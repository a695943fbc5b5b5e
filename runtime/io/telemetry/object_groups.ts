/**
 * Stored objects as people look at them: by the function that made them, and by node. Kept from the agents' reports, which
 * are absolute per object, so that a resent one changes nothing.
 *
 * An object whose maker is not known yet waits under "(unknown function)" until a row of its task names it.
 * @module
 */
import { type ObjectId, taskOfObject } from "../../common/ids.ts";
import type { ObjectReport } from "../../protocol/messages.ts";
import type { ObjectGroupDto, ObjectsAtNode } from "../../../dashboard/api_types.ts";
import { GroupTable } from "./group_table.ts";
import { ObjectLosses } from "./object_losses.ts";
import { type PartKind, StoreParts } from "./store_parts.ts";

export const PUT: string = "put";
export const UNKNOWN: string = "(unknown function)";
const OTHER = "(other)";

/** Objects that are tracked one by one; more are counted and left out. */
const OBJECTS_MAX = 1_000_000;
const GROUPS_MAX = 2_000;
const GROUPS_SHOWN = 200;
/** Objects that wait for the name of their maker. */
const NAMELESS_MAX = 50_000;

export interface TrackedObject {
  readonly id: ObjectId;
  readonly order: number;
  group: string;
  readonly bytes: number;
  readonly owner: string;
  readonly home: string;
  readonly isError: boolean;
  /** Node of the primary copy, or "". */
  primary: string;
  nodes: string[];
  /** Of `nodes`: those whose copy is on disk alone; null: none. */
  spilled: Set<string> | null;
  /** Nodes that it is on its way to; none of `nodes`. Null: none. */
  inFlight: Set<string> | null;
}

interface Group {
  objects: number;
  bytes: number;
  readonly nodes: Map<string, { -readonly [K in keyof ObjectsAtNode]: number }>;
}

export class ObjectGroups {
  readonly groups: GroupTable<Group, ObjectGroupDto> = new GroupTable({
    cap: GROUPS_SHOWN,
    rank: (group) => group.bytes,
    row: (key, group) => ({
      producer: key,
      objects: group.objects,
      bytes: group.bytes,
      nodes: Object.fromEntries([...group.nodes].map(([node, sums]) => [node, { ...sums }])),
    }),
  });
  /** All and only objects with a copy in some store, oldest first. */
  readonly objects: Map<ObjectId, TrackedObject> = new Map();
  readonly parts: StoreParts = new StoreParts();
  readonly losses: ObjectLosses = new ObjectLosses();
  /** Of one copy of each of `objects`. */
  bytes = 0;
  /** Reports that were left out because there were too many objects. */
  untracked = 0;
  /** What each node last said is on its way to it. */
  readonly #incoming = new Map<string, Set<ObjectId>>();
  readonly #nameless = new Map<string, ObjectId[]>();
  #namelessCount = 0;
  #order = 0;
  readonly #nameOf: (taskId: string) => string | null;

  /** `nameOf` tells the function of a task, when it is known. */
  constructor(nameOf: (taskId: string) => string | null) {
    this.#nameOf = nameOf;
  }

  add(nodeId: string, report: ObjectReport): void {
    let object = this.objects.get(report.id);
    if (object === undefined) {
      if (this.objects.size >= OBJECTS_MAX) {
        this.untracked++;
        return;
      }
      object = {
        id: report.id,
        order: ++this.#order,
        group: this.#groupFor(report),
        bytes: report.bytes,
        owner: report.owner,
        home: report.home,
        isError: report.isError,
        primary: "",
        nodes: [],
        spilled: null,
        inFlight: null,
      };
      this.objects.set(report.id, object);
      this.bytes += object.bytes;
      if (this.losses.lost > 0) this.losses.stored(report.id);
      const group = this.#group(object);
      group.objects++;
      group.bytes += object.bytes;
    }
    this.#arriving(object, nodeId, false);
    if (report.primary) this.#setPrimary(object, nodeId);
    else if (object.primary === nodeId) this.#setPrimary(object, "");
    if (object.nodes.includes(nodeId)) this.parts.count(nodeId, kindOf(object, nodeId), object.bytes, -1);
    else {
      object.nodes.push(nodeId);
      this.#count(object, nodeId, 1);
    }
    this.#spilled(object, nodeId, report.spilled === true);
    this.parts.count(nodeId, kindOf(object, nodeId), object.bytes, 1);
  }

  /** What was told of a lost object, when it is news: its last copy is gone. */
  lost(id: ObjectId, reason: string, atMs: number): void {
    const taskId = taskOfObject(id);
    const producer = this.objects.get(id)?.group ?? (taskId === null ? PUT : this.#nameOf(taskId) ?? UNKNOWN);
    this.losses.add(atMs, id, producer, reason);
  }

  /** The copy there is the one that must not be lost ("": none is known to be); the one before is as others from now on. */
  #setPrimary(object: TrackedObject, nodeId: string): void {
    if (object.primary === nodeId) return;
    const told = [object.primary, nodeId].filter((node) => object.nodes.includes(node));
    for (const node of told) this.parts.count(node, kindOf(object, node), object.bytes, -1);
    object.primary = nodeId;
    for (const node of told) this.parts.count(node, kindOf(object, node), object.bytes, 1);
  }

  /** What is on its way to the node now. Of objects that have no copy anywhere nothing is shown. */
  incoming(nodeId: string, ids: readonly ObjectId[]): void {
    const now = new Set(ids);
    for (const id of this.#incoming.get(nodeId) ?? []) {
      const object = now.has(id) ? undefined : this.objects.get(id);
      if (object !== undefined) this.#arriving(object, nodeId, false);
    }
    for (const id of now) {
      const object = this.objects.get(id);
      if (object !== undefined && !object.nodes.includes(nodeId)) this.#arriving(object, nodeId, true);
    }
    if (now.size === 0) this.#incoming.delete(nodeId);
    else this.#incoming.set(nodeId, now);
  }

  #arriving(object: TrackedObject, nodeId: string, is: boolean): void {
    if ((object.inFlight?.has(nodeId) ?? false) === is) return;
    if (is) (object.inFlight ??= new Set()).add(nodeId);
    else if (object.inFlight!.delete(nodeId) && object.inFlight!.size === 0) object.inFlight = null;
    this.#countArriving(object, nodeId, is ? 1 : -1);
    this.parts.count(nodeId, "inFlight", object.bytes, is ? 1 : -1);
  }

  /** Whether the node's copy is on disk alone. */
  #spilled(object: TrackedObject, nodeId: string, is: boolean): void {
    if ((object.spilled?.has(nodeId) ?? false) === is) return;
    if (is) (object.spilled ??= new Set()).add(nodeId);
    else if (object.spilled!.delete(nodeId) && object.spilled!.size === 0) object.spilled = null;
    this.#group(object).nodes.get(nodeId)!.spilledBytes += is ? object.bytes : -object.bytes;
  }

  /** An object that the node does not have (a resent removal) is no news. */
  remove(nodeId: string, id: ObjectId): void {
    const object = this.objects.get(id);
    if (object === undefined) return;
    const at = object.nodes.indexOf(nodeId);
    if (at < 0) return;
    this.parts.count(nodeId, kindOf(object, nodeId), object.bytes, -1);
    object.nodes.splice(at, 1);
    if (object.primary === nodeId) object.primary = "";
    this.#spilled(object, nodeId, false);
    this.#count(object, nodeId, -1);
    if (object.nodes.length > 0) return;
    for (const node of object.inFlight ?? []) this.#arriving(object, node, false);
    this.objects.delete(id);
    this.bytes -= object.bytes;
    if (object.group === UNKNOWN) this.#forgetNameless(id);
    this.#leaveGroup(object);
  }

  /** The node's store is exactly this (a node that joined again), or nothing (it is dead). */
  replace(nodeId: string, reports: readonly ObjectReport[]): void {
    const kept = new Set(reports.map((report) => report.id));
    for (const object of this.objects.values()) {
      if (!kept.has(object.id) && object.nodes.includes(nodeId)) this.remove(nodeId, object.id);
    }
    this.incoming(nodeId, []);
    for (const report of reports) this.add(nodeId, report);
  }

  /** A row of the task has come: objects that waited for its name move to their group. */
  named(taskId: string, name: string): void {
    const waiting = this.#nameless.get(taskId);
    if (waiting === undefined) return;
    this.#nameless.delete(taskId);
    this.#namelessCount -= waiting.length;
    for (const id of waiting) {
      const object = this.objects.get(id);
      if (object === undefined || object.group !== UNKNOWN) continue;
      for (const node of object.nodes) this.#count(object, node, -1);
      for (const node of object.inFlight ?? []) this.#countArriving(object, node, -1);
      this.#leaveGroup(object);
      object.group = this.#bounded(name);
      const group = this.#group(object);
      group.objects++;
      group.bytes += object.bytes;
      for (const node of object.nodes) this.#count(object, node, 1);
      for (const node of object.inFlight ?? []) this.#countArriving(object, node, 1);
    }
  }

  #groupFor(report: ObjectReport): string {
    if (report.producer !== undefined && report.producer !== "") return this.#bounded(report.producer);
    const taskId = taskOfObject(report.id);
    if (taskId === null) return PUT;
    const name = this.#nameOf(taskId);
    if (name !== null) return this.#bounded(name);
    if (this.#namelessCount < NAMELESS_MAX) {
      const waiting = this.#nameless.get(taskId);
      if (waiting === undefined) this.#nameless.set(taskId, [report.id]);
      else waiting.push(report.id);
      this.#namelessCount++;
    }
    return UNKNOWN;
  }

  #forgetNameless(id: ObjectId): void {
    const taskId = taskOfObject(id)!;
    const waiting = this.#nameless.get(taskId);
    const at = waiting?.indexOf(id) ?? -1;
    if (at < 0) return;
    waiting!.splice(at, 1);
    this.#namelessCount--;
    if (waiting!.length === 0) this.#nameless.delete(taskId);
  }

  #bounded(name: string): string {
    const key = name.slice(0, 200);
    return this.groups.groups.has(key) || this.groups.groups.size < GROUPS_MAX ? key : OTHER;
  }

  #group(object: TrackedObject): Group {
    let group = this.groups.groups.get(object.group);
    if (group === undefined) {
      group = { objects: 0, bytes: 0, nodes: new Map() };
      this.groups.groups.set(object.group, group);
    }
    this.groups.touch(object.group);
    return group;
  }

  #count(object: TrackedObject, nodeId: string, sign: 1 | -1): void {
    const bytes = sign * object.bytes;
    const spilledBytes = object.spilled?.has(nodeId) ? bytes : 0;
    this.#addAt(object, nodeId, { objects: sign, bytes, spilledBytes, inFlight: 0, inFlightBytes: 0 });
  }

  #countArriving(object: TrackedObject, nodeId: string, sign: 1 | -1): void {
    const inFlightBytes = sign * object.bytes;
    this.#addAt(object, nodeId, { objects: 0, bytes: 0, spilledBytes: 0, inFlight: sign, inFlightBytes });
  }

  #addAt(object: TrackedObject, nodeId: string, more: ObjectsAtNode): void {
    const group = this.#group(object);
    let sums = group.nodes.get(nodeId);
    if (sums === undefined) {
      sums = { objects: 0, bytes: 0, spilledBytes: 0, inFlight: 0, inFlightBytes: 0 };
      group.nodes.set(nodeId, sums);
    }
    sums.objects += more.objects;
    sums.bytes += more.bytes;
    sums.spilledBytes += more.spilledBytes;
    sums.inFlight += more.inFlight;
    sums.inFlightBytes += more.inFlightBytes;
    if (sums.objects === 0 && sums.inFlight === 0) group.nodes.delete(nodeId);
  }

  #leaveGroup(object: TrackedObject): void {
    const group = this.#group(object);
    group.objects--;
    group.bytes -= object.bytes;
    if (group.objects === 0) this.groups.remove(object.group);
  }
}

function kindOf(object: TrackedObject, nodeId: string): PartKind {
  return object.spilled?.has(nodeId) ? "spilled" : object.primary === nodeId ? "primary" : "cached";
}
