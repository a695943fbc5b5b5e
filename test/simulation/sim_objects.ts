/**
 * A simulated node's object store: the real object table and pull manager, with sizes in place of bytes and delays in place
 * of disks and streams. Reference counting is beside it (sim_references.ts), reports to the head too (sim_reports.ts).
 * @module
 */
import type { NodeId, ObjectId } from "../../runtime/common/ids.ts";
import type { ArgumentRef } from "../../runtime/common/task_spec.ts";
import { INLINE_BYTES_MAX } from "../../runtime/common/config.ts";
import type { Ownerless } from "../../runtime/core/object/directory_events.ts";
import { FanOut } from "../../runtime/core/object/fan_out.ts";
import { ObjectTable } from "../../runtime/core/object/object_table.ts";
import type { TableEffect, TableEvent } from "../../runtime/core/object/object_table_types.ts";
import { PullManager } from "../../runtime/core/object/pull_manager.ts";
import type { PullEffect, PullEvent } from "../../runtime/core/object/pull_types.ts";
import type { RefTarget } from "../../runtime/protocol/messages.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { Fetched } from "./sim_peers.ts";
import { SimReferences } from "./sim_references.ts";
import { SimReports } from "./sim_reports.ts";
import type { SimWorld } from "./sim_world.ts";
import type { ObjectReport } from "../../runtime/protocol/messages.ts";

/** The holder of objects that are being pulled. */
const PULLS = "pulls";
/** Of the capacity: what arguments may hold, as in the real store. */
const ARGUMENTS_SHARE = 0.7;
/** How long a node waits for what another one is still receiving. */
const TAKEN_ON_MS = 2_000;
/** Bytes that a disk, or a stream between nodes, moves in a millisecond. */
const BYTES_PER_MS = 1_000_000;

export interface Problem {
  readonly code: string;
  readonly message: string;
}
type Done = (problem: Problem | null) => void;

interface Creation {
  readonly holder: string;
  readonly id: ObjectId;
  readonly done: Done;
}

/** One object that room was asked for. */
interface Incoming {
  readonly id: ObjectId;
  readonly bytes: number;
  /** The transfers under way, by number, one from a node; what an earlier one brings does not count. */
  readonly transfers: Map<NodeId, number>;
  /** Of the parts that have come. */
  received: number;
  /** Nodes that are sent it as it comes; each is told whether it is here now, or will not come. */
  readonly relays: Set<(here: boolean) => void>;
}

interface Question {
  readonly home: NodeId;
  readonly waitId: string;
  /** Of the link; null: answered. */
  request: number | null;
}

export class SimObjects {
  readonly table: ObjectTable;
  readonly pulls: PullManager;
  readonly references: SimReferences;
  /** Narrow: these clusters are small, and an object that all nodes want (plan.ts) must still be relayed. */
  readonly fanOut: FanOut = new FanOut(1);
  readonly reports: SimReports;
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  readonly #waiters: Map<string, Done> = new Map();
  readonly #creations: Map<string, Creation> = new Map();
  readonly #questions: Map<ObjectId, Question> = new Map();
  readonly #incoming: Map<ObjectId, Incoming> = new Map();
  /** From where a copy came: when that node dies, the copy is the one to keep. */
  readonly #sources: Map<ObjectId, NodeId> = new Map();
  readonly #events: PullEvent[] = [];
  #stepping: boolean = false;
  #sequence: number = 0;

  constructor(world: SimWorld, agent: SimAgent) {
    this.#world = world;
    this.#agent = agent;
    this.table = new ObjectTable({
      capacity: world.storeBytes,
      granuleBytes: 65_536,
      spillBatchBytes: 32_000_000,
    });
    this.pulls = new PullManager({
      bytes: () => this.table.roomBytes,
      evictableBytes: (id) => this.table.evictableBytes(id),
      bytesOf: (id) => this.table.get(id)?.size ?? 0,
      isHere: (id) => this.isLocal(id),
      argumentBytes: Math.floor(world.storeBytes * ARGUMENTS_SHARE),
    });
    this.references = new SimReferences(world, agent, (ids) => this.delete(ids));
    this.reports = new SimReports(world, agent);
  }

  isLocal(id: ObjectId): boolean {
    return this.table.get(id)?.resident === true;
  }

  /** A process stores an object; `contains`: refs in it. Done when their homes know. */
  make(holder: string, report: ObjectReport, contains: readonly RefTarget[], done: Done): void {
    const { id, home, owner, isError } = report;
    this.#create(holder, id, report.bytes, (problem) => {
      if (problem !== null) return done(problem);
      // What a process that died meanwhile was granted goes back with the rest of it (processDied).
      if (!this.#agent.hasProcess(holder)) return;
      this.#table({
        type: "seal",
        holder,
        id,
        seal: { home, owner, isError, producer: undefined, primary: true },
      });
      this.references.step({ type: "sealed", id, home, owner, contains });
      if (contains.length === 0) return done(null);
      this.references.flush(() => done(null));
    });
  }

  /** Brings a lease's arguments here, and pins them until they are released. */
  pinArguments(key: string, args: readonly ArgumentRef[], depth: number, done: Done): void {
    const local = new Set(args.map(({ id }) => id).filter((id) => this.isLocal(id)));
    const lease = leaseKey(key);
    this.#waiters.set(lease, done);
    const objects = args.map(({ id, home, at }) => ({ id, home, at: at ?? this.references.madeAt(id) }));
    this.step({
      type: "wanted",
      key: lease,
      purpose: "argument",
      fetch: true,
      bundle: true,
      objects,
      local,
      depth,
    });
  }

  releaseArguments(key: string): void {
    const lease = leaseKey(key);
    if (this.#waiters.delete(lease)) this.step({ type: "cancelled", key: lease });
    this.#table({ type: "holderDied", holder: lease });
    this.step({ type: "released", key: lease });
  }

  argumentsLent(key: string): void {
    this.step({ type: "released", key: leaseKey(key) });
  }

  /** Another node reads the object; null when it is not here. `read` is called when that may have taken its time. */
  openRead(id: ObjectId, read: (object: ObjectReport | null) => void): void {
    const entry = this.table.get(id);
    if (entry === undefined) return read(null);
    const holder = `stream:${++this.#sequence}`;
    this.#table({ type: "pin", holder, id });
    this.#world.loop.after(Math.ceil(entry.size / BYTES_PER_MS), () => {
      if (!this.#agent.host.alive) return;
      this.#unpin(holder, id);
      read(entry.report);
    });
  }

  /** As `openRead` for another node, which may be sent to others instead, or what is still on its way here. */
  serve(id: ObjectId, from: NodeId, insists: boolean, served: (answer: Fetched) => void): void {
    const incoming = this.#incoming.get(id);
    if (this.table.get(id) === undefined && incoming === undefined) return served(null);
    const holders = this.fanOut.ask(id, from, insists);
    if (holders !== null) return served({ holders });
    const ended = (answer: Fetched): void => {
      this.fanOut.ended(id, from);
      served(answer);
    };
    if (this.table.get(id) !== undefined) return this.openRead(id, ended);
    const relay = (here: boolean): void => {
      if (!incoming!.relays.delete(relay)) return;
      if (here) this.openRead(id, ended);
      else ended(null);
    };
    incoming!.relays.add(relay);
    this.#later(this.#world.loop.nowMs + TAKEN_ON_MS, () => relay(false));
    if (incoming!.transfers.size === 0) relay(false);
  }

  processDied(process: string): void {
    for (const [requestId, { holder }] of this.#creations) {
      if (holder === process) this.#creations.delete(requestId);
    }
    this.#table({ type: "holderDied", holder: process });
    this.references.step({ type: "processDied", process: process as never });
    this.step({ type: "roomChanged" });
  }

  nodeDied(node: NodeId): void {
    this.step({ type: "nodeDied", node });
    for (const [id, source] of this.#sources) {
      if (source !== node) continue;
      this.#table({ type: "promote", id });
      const entry = this.table.get(id);
      if (entry !== undefined) this.reports.changed([entry.report], []);
    }
    this.references.nodeDied(node);
  }

  delete(ids: readonly ObjectId[]): void {
    this.#table({ type: "delete", ids });
    this.step({ type: "roomChanged" });
  }

  ownerless(objects: readonly Ownerless[]): void {
    const home = this.#agent.nodeId;
    for (const object of objects) this.references.step({ type: "sealed", ...object, home, contains: [] });
  }

  check(): void {
    this.table.check();
    this.pulls.check();
    this.references.check();
    this.fanOut.check();
  }

  /** Pull events one after the other: what an effect brings about waits until its step is done. */
  step(event: PullEvent): void {
    this.#events.push(event);
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const effects = this.pulls.step(this.#world.loop.nowMs, next);
        const { type } = next;
        const types = (): string => effects.map((effect) => effect.type).join(",");
        this.#world.loop.trace(this.#agent.nodeId, `pull ${type} -> ${types()}`, () => ({ next, effects }));
        for (const effect of effects) this.#perform(effect);
        // Nobody sends it to us any more.
        for (const incoming of this.#incoming.values()) {
          if (incoming.transfers.size === 0) { for (const relay of incoming.relays) relay(false); }
        }
      }
    } finally {
      this.#stepping = false;
    }
  }

  #perform(effect: PullEffect): void {
    switch (effect.type) {
      case "locate":
        return this.#locate(effect.id, effect.home, effect.at);
      case "ended":
        return this.#endQuestion(effect.id);
      case "reserve":
        return this.#reserve(effect.id, effect.bytes);
      case "release": {
        const relays = this.#incoming.get(effect.id)?.relays ?? [];
        this.#incoming.delete(effect.id);
        for (const relay of relays) relay(false);
        this.#creationsOf(PULLS, effect.id);
        this.#table({ type: "abort", holder: PULLS, id: effect.id });
        return this.step({ type: "roomChanged" });
      }
      case "fetch":
        return this.#fetch(effect);
      case "cancelFetch": {
        const incoming = this.#incoming.get(effect.id);
        if (effect.node === undefined) incoming?.transfers.clear();
        else incoming?.transfers.delete(effect.node);
        return;
      }
      case "pin":
        return this.#table({ type: "pin", holder: effect.key, id: effect.id });
      case "unpin":
        return this.#unpin(effect.key, effect.id);
      case "ready":
        return this.#take(effect.key)?.(null);
      case "failed":
        return this.#take(effect.key)?.({ code: effect.code, message: effect.message });
      case "setTimer":
        return this.#later(effect.atMs, () => this.step({ type: "timer" }));
      default:
        effect satisfies never;
    }
  }

  #locate(id: ObjectId, home: NodeId, at: NodeId | undefined): void {
    this.#endQuestion(id);
    const { nodeId, link } = this.#agent;
    const entry = this.table.get(id);
    const waitId = `x${++this.#sequence}`;
    const question: Question = { home, waitId, request: null };
    this.#questions.set(id, question);
    if (entry !== undefined && !entry.resident) {
      return this.step({ type: "located", id, nodes: [nodeId], bytes: entry.size });
    }
    const request = { type: "locateObject", nodeId, waitId, id, home, at, wait: true } as const;
    question.request = link.request(request, (answer) => {
      if (this.#questions.get(id) !== question) return;
      question.request = null;
      if (!answer.ok) {
        return this.step({ type: "locateFailed", id, code: answer.code, message: answer.message });
      }
      const nodes = (answer.result["nodes"] as NodeId[]).filter((node) => node !== nodeId);
      this.step({ type: "located", id, nodes, bytes: answer.result["bytes"] as number });
    });
  }

  #endQuestion(id: ObjectId): void {
    const question = this.#questions.get(id);
    this.#questions.delete(id);
    if (question === undefined || question.request === null) return;
    const { nodeId, link } = this.#agent;
    link.forget(question.request);
    link.notify({ type: "cancelLocate", nodeId, waitId: question.waitId });
  }

  #reserve(id: ObjectId, bytes: number): void {
    const incoming: Incoming = { id, bytes, transfers: new Map(), received: 0, relays: new Set() };
    this.#incoming.set(id, incoming);
    this.#create(PULLS, id, bytes, (problem) => {
      if (this.#incoming.get(id) !== incoming) return;
      if (problem === null) return this.step({ type: "reserved", id });
      this.#incoming.delete(id);
      const { message } = problem;
      const code = problem.code === "OutOfDiskError" ? "OutOfDiskError" : "ObjectStoreFullError";
      this.step({ type: "reserveFailed", id, forever: bytes > this.table.capacity, code, message });
    });
  }

  #fetch({ id, node, range, insists }: Extract<PullEffect, { type: "fetch" }>): void {
    const incoming = this.#incoming.get(id)!;
    const transfer = ++this.#sequence;
    incoming.transfers.set(node, transfer);
    const arrived = (object: Fetched): void => {
      if (!this.#agent.host.alive || incoming.transfers.get(node) !== transfer) return;
      incoming.transfers.delete(node);
      if (object === null || object === "unreachable") {
        const absent = object === null;
        return this.step({ type: "fetchFailed", id, node, absent, message: "it is out of reach" });
      }
      if ("holders" in object) {
        const to = object.holders.filter((holder) => holder !== this.#agent.nodeId);
        return this.step({ type: "referred", id, node, to });
      }
      incoming.received += range?.length ?? incoming.bytes;
      if (incoming.received < incoming.bytes) return this.step({ type: "fetched", id, node });
      const home = this.#questions.get(id)?.home ?? this.#agent.nodeId;
      this.#incoming.delete(id);
      if (node !== this.#agent.nodeId) this.#sources.set(id, node);
      const seal = {
        home,
        owner: object.owner,
        isError: object.isError,
        producer: undefined,
        primary: false,
      };
      this.#table({ type: "seal", holder: PULLS, id, seal, pin: true });
      for (const relay of incoming.relays) relay(true);
      this.#unpin(PULLS, id);
    };
    if (node !== this.#agent.nodeId) return this.#agent.peers.fetch(node, id, insists === true, arrived);
    this.openRead(id, arrived);
  }

  #create(holder: string, id: ObjectId, size: number, done: Done): void {
    const requestId = `c${++this.#sequence}`;
    this.#creations.set(requestId, { holder, id, done });
    this.#table({ type: "create", requestId, holder, id, size, inline: size <= INLINE_BYTES_MAX });
  }

  #table(event: TableEvent): void {
    const effects = this.table.step(this.#world.loop.nowMs, event);
    const types = (): string => effects.map((effect) => effect.type).join(",");
    this.#world.loop.trace(
      this.#agent.nodeId,
      `table ${event.type} -> ${types()}`,
      () => ({ event, effects }),
    );
    for (const effect of effects) this.#performTable(effect);
  }

  #performTable(effect: TableEffect): void {
    switch (effect.type) {
      case "granted":
        return this.#takeCreation(effect.requestId)?.done(null);
      case "createFailed":
        return this.#takeCreation(effect.requestId)?.done({ code: effect.code, message: effect.message });
      case "sealed":
        if (!effect.first) return;
        this.reports.changed([effect.report], []);
        return this.step({ type: "sealed", id: effect.id });
      case "sealRefused":
        return this.#world.fail(`${this.#agent.nodeId}: ${effect.message}`);
      case "removed":
        this.reports.changed([], [effect.id]);
        if (!effect.evicted) this.references.step({ type: "deleted", id: effect.id });
        this.#sources.delete(effect.id);
        return this.step({ type: "removed", id: effect.id });
      case "unloaded":
        return this.step({ type: "removed", id: effect.id });
      case "restored":
        return this.step({ type: "sealed", id: effect.id });
      case "spill":
        return this.#spill(effect);
      case "setTimer":
        return this.#later(effect.atMs, () => this.#table({ type: "timer" }));
      case "deleteSpill":
      case "dropPages":
      case "collectGarbage":
        return;
      default:
        effect satisfies never;
    }
  }

  #spill({ batch, objects }: Extract<TableEffect, { type: "spill" }>): void {
    let bytes = 0;
    for (const { size } of objects) bytes += size;
    const failed = this.#world.mishap(10);
    this.#later(this.#world.loop.nowMs + Math.ceil(bytes / BYTES_PER_MS), () => {
      if (failed) this.#table({ type: "spillFailed", batch, message: "no space on the device" });
      else this.#table({ type: "spilled", batch, file: batch });
      this.step({ type: "roomChanged" });
    });
  }

  #later(atMs: number, run: () => void): void {
    this.#world.loop.after(atMs - this.#world.loop.nowMs, () => {
      if (this.#agent.host.alive) run();
    });
  }

  #unpin(holder: string, id: ObjectId): void {
    this.#table({ type: "unpin", holder, id, count: 1 });
    this.step({ type: "roomChanged" });
  }

  #take(key: string): Done | undefined {
    const done = this.#waiters.get(key);
    this.#waiters.delete(key);
    return done;
  }

  #takeCreation(requestId: string): Creation | undefined {
    const creation = this.#creations.get(requestId);
    this.#creations.delete(requestId);
    return creation;
  }

  #creationsOf(holder: string, id: ObjectId): void {
    for (const [requestId, creation] of this.#creations) {
      if (creation.holder === holder && creation.id === id) this.#creations.delete(requestId);
    }
  }
}

function leaseKey(key: string): string {
  return `lease:${key}`;
}
