/**
 * The actor manager: every actor of the cluster from its registration to its death.
 *
 * It owns: names, states, incarnations, restarts, deaths and their causes, and who is told. It does not own where an actor
 * goes (the global scheduler picks), its worker (the node's agent starts and ends it), its calls (they go straight from
 * the caller to the worker), or handle counts (the owner's agent says when the last one is gone).
 *
 *              1                        2                  3          4
 *   createActor -> DEPENDENCIES_UNREADY -> PENDING_CREATION -> ALIVE ---> RESTARTING --3--> ALIVE
 *                          |                     |    |          |          |    ^
 *                          |                     |    +----------|----4---->|    |
 *                          +----------+----------+---------------+----5-----+    +--4--+
 *                                     v
 *                                   DEAD
 *
 *   1 Registered under its id and its name; answered after the commit, again when it is resent.
 *   2 Its stored constructor arguments exist. Then: placed by the scheduler, started by that node's agent.
 *   3 The constructor has run. Only the present incarnation's word counts: what an earlier one says is stopped.
 *   4 Its worker or node died, or it was killed with restart, and restarts are left: the next incarnation is placed.
 *   5 Killed, exited, out of scope (from where it may come back: actor_revivals.ts), owner or job gone, constructor failed, cannot be placed, or no restarts left.
 *
 * An incarnation number is persisted before its start leaves the head, so that a restarted head never gives it twice. After
 * a head's restart, actors on nodes that come back and report them stay; those that are not reported within MISSING_MS
 * (a report of their end may be on its way) are restarted or dead.
 * @module
 */
import { AgedSet } from "../../common/aged_set.ts";
import type { ActorId, NodeId, ProcessId } from "../../common/ids.ts";
import type { ActorSpec, ActorStatus, DeathCause } from "../../common/task_spec.ts";
import type { ActorIncarnation } from "../../protocol/light_actor_messages.ts";
import type { Core } from "../core.ts";
import { UnknownActors } from "./unknown_actors.ts";
import type { ActorEffect, ActorEvent, ActorRecord } from "./actor_events.ts";
import { ActorLife, isPending } from "./actor_life.ts";
import { ActorRevivals } from "./actor_revivals.ts";
import { type ActorEntry, ActorTable, recordOf, statusOf } from "./actor_table.ts";

/** How long a report of an actor's end may lag behind its node's registration. */
export const MISSING_MS: number = 1_000;
/** Dead owners that are remembered: their creations may arrive late. */
export const DEAD_OWNERS_KEPT: number = 10_000;

type Event<T extends ActorEvent["type"]> = Extract<ActorEvent, { type: T }>;

export class ActorManager implements Core<ActorEvent, ActorEffect> {
  readonly #table: ActorTable = new ActorTable();
  readonly #life: ActorLife = new ActorLife(this.#table);
  readonly #revivals: ActorRevivals = new ActorRevivals(this.#table, this.#life);
  readonly #deadOwners: AgedSet<ProcessId> = new AgedSet();
  readonly #unknown: UnknownActors = new UnknownActors(this.#table);

  /** `restored`: the store's actors after a restart of the head. Feed `tick` and registrations from then on. */
  constructor(nowMs: number = 0, restored: readonly ActorRecord[] = []) {
    for (const record of restored) {
      const entry = this.#table.restore(record);
      const placing = entry.state === "PENDING_CREATION" || entry.state === "RESTARTING";
      // Its dependencies, or its placement, are asked for again at the first tick.
      if (entry.state !== "DEPENDENCIES_UNREADY" && (!placing || entry.nodeId !== null)) continue;
      entry.placeAtMs = nowMs;
      this.#life.timed.add(entry);
    }
  }

  step(nowMs: number, event: ActorEvent): readonly ActorEffect[] {
    const out: ActorEffect[] = [];
    switch (event.type) {
      case "createActor":
        this.#create(nowMs, event, out);
        break;
      case "createActors":
        this.#createMany(nowMs, event, out);
        break;
      case "getActor":
        this.#lookUp(event, out);
        break;
      case "watchActor":
        this.#watch(nowMs, event, out);
        break;
      case "unwatchActor":
        this.#table.unwatch(event.actorId, event.nodeId);
        if (this.#table.watchersOf(event.actorId).length === 0) this.#unknown.delete(event.actorId);
        break;
      case "killActor":
        this.#kill(nowMs, event, out);
        break;
      case "actorOutOfScope":
        this.#outOfScope(nowMs, event.actorId, out);
        break;
      case "actorLineage":
      case "reviveActor":
        this.#revivals.step(nowMs, event, this.#end(nowMs), out);
        break;
      case "dependenciesReady":
      case "dependenciesFailed":
        this.#dependencies(nowMs, event, out);
        break;
      case "actorPlaced":
      case "actorUnschedulable":
      case "relocateActor":
        this.#placement(nowMs, event, out);
        break;
      case "actorStarted":
        this.#started(nowMs, event, out);
        break;
      case "actorsStarted":
        this.#startedMany(nowMs, event, out);
        break;
      case "actorsEnded":
        for (const actor of event.actors) this.#incarnationEnded(nowMs, actor, event, out);
        break;
      case "processExited":
        this.#processExited(nowMs, event, out);
        break;
      case "nodeDied":
        this.#nodeDied(nowMs, event, out);
        break;
      case "actorsReported":
        this.#reported(nowMs, event.nodeId, event.actors, out);
        break;
      case "jobEnded":
        this.#jobEnded(nowMs, event, out);
        break;
      case "groupRemoved":
        this.#groupRemoved(nowMs, event, out);
        break;
      case "tick":
        this.#tick(nowMs, out);
        break;
      default:
        event satisfies never;
    }
    return out;
  }

  /** When an actor that died repeatedly is placed again; null when nothing is delayed. */
  placeAtMs(actorId: ActorId): number | null {
    return this.#table.get(actorId)?.placeAtMs ?? null;
  }

  /** An actor's record, or null when it is not known (any more). */
  record(actorId: ActorId): ActorRecord | null {
    const entry = this.#table.get(actorId);
    return entry === undefined ? null : recordOf(entry);
  }

  /** All actors that are not dead and the newest dead ones. */
  records(): ActorRecord[] {
    return this.#table.entries().map(recordOf);
  }

  /** Those of the actors that a node reports which it must end: they are dead, or nobody knows them. */
  endedAmong(actors: readonly ActorStatus[]): ActorId[] {
    const ended = actors.filter(({ actorId }) => (this.#table.get(actorId)?.state ?? "DEAD") === "DEAD");
    return ended.map((status) => status.actorId);
  }

  check(): void {
    this.#table.check();
    for (const entry of this.#table.entries()) {
      const timed = entry.placeAtMs !== null || entry.missingSinceMs !== null;
      if (timed !== this.#life.timed.has(entry)) {
        throw new Error(`${entry.spec.actorId} is timed exactly if it must be`);
      }
    }
  }

  #create(nowMs: number, event: Event<"createActor">, out: ActorEffect[]): void {
    const { spec, requestId } = event;
    const known = this.#table.get(spec.actorId);
    // Resent: the answer was lost with a connection or with a head.
    if (known !== undefined) return void out.push({ type: "actorFound", requestId, spec: known.spec });
    const holder = spec.name === "" ? undefined : this.#table.named(spec.namespace, spec.name);
    if (holder !== undefined && event.getIfExists) {
      return void out.push({ type: "actorFound", requestId, spec: holder.spec });
    }
    if (holder !== undefined) {
      const message = `Cannot create actor ${spec.className} with the name "${spec.name}" in namespace ` +
        `"${spec.namespace}": ${holder.spec.actorId} (${holder.spec.className}, ${holder.state}) has it`;
      return void out.push({ type: "actorRefused", requestId, code: "NameTakenError", message });
    }
    const entry = this.#register(nowMs, spec, event.refused, out);
    out.push({ type: "actorFound", requestId, spec });
    this.#awaitArguments(entry, out);
  }

  #createMany(nowMs: number, event: Event<"createActors">, out: ActorEffect[]): void {
    const added: ActorEntry[] = [];
    for (const spec of event.specs) {
      // Resent: what became of it meanwhile is told as to everybody who watches.
      if (this.#table.get(spec.actorId) === undefined) {
        added.push(this.#register(nowMs, spec, event.refused, out));
      }
      this.#watch(nowMs, { actorId: spec.actorId, nodeId: event.nodeId }, out);
    }
    out.push({ type: "actorsCreated", requestId: event.requestId });
    for (const entry of added) this.#awaitArguments(entry, out);
  }

  #register(nowMs: number, spec: ActorSpec, refused: DeathCause | null, out: ActorEffect[]): ActorEntry {
    const entry = this.#table.add(nowMs, spec, out);
    this.#unknown.delete(spec.actorId);
    const ownerDead = !spec.detached && this.#deadOwners.has(spec.owner);
    const cause = ownerDead ? ownerDied(spec.owner) : refused;
    if (cause !== null) this.#life.die(nowMs, entry, cause, out);
    else if (spec.args.length === 0) this.#proceed(nowMs, entry, out);
    else {
      this.#table.persist(entry, out);
      this.#table.publish(entry, out);
    }
    return entry;
  }

  /** After the creation's answer: the answer may be here, and the actor dead of it, before the next effect is done. */
  #awaitArguments({ state, spec: { actorId, args } }: ActorEntry, out: ActorEffect[]): void {
    if (state === "DEPENDENCIES_UNREADY") out.push({ type: "awaitDependencies", actorId, args });
  }

  #lookUp(event: Event<"getActor">, out: ActorEffect[]): void {
    const { requestId, name, namespace } = event;
    const entry = this.#table.named(namespace, name);
    if (entry !== undefined) return void out.push({ type: "actorFound", requestId, spec: entry.spec });
    const message =
      `Cannot find actor "${name}" in namespace "${namespace}": no live actor has that name there`;
    out.push({ type: "actorRefused", requestId, code: "MobulaError", message });
  }

  #watch(
    nowMs: number,
    { actorId, nodeId, owner }: Omit<Event<"watchActor">, "type">,
    out: ActorEffect[],
  ): void {
    this.#table.watch(actorId, nodeId);
    const entry = this.#table.get(actorId);
    if (entry !== undefined) {
      out.push({ type: "publishStatus", nodes: [nodeId], status: statusOf(entry) });
      return;
    }
    // Its creation waits for arguments in its owner's process, and always will.
    if (owner !== undefined && this.#deadOwners.has(owner)) {
      return this.#unknown.giveUp(actorId, out, ownerDied(owner));
    }
    // Its creation may be on its way (an unnamed actor's handle is used at once), or it was forgotten long ago.
    this.#unknown.add(nowMs, actorId, owner, out);
  }

  #kill(nowMs: number, event: Event<"killActor">, out: ActorEffect[]): void {
    const entry = this.#table.get(event.actorId);
    const isMeant = event.incarnation === undefined || event.incarnation === entry?.incarnation;
    // One that is dead, or forgotten, or never came, or the next incarnation: nothing is left to kill.
    if (entry !== undefined && entry.state !== "DEAD" && isMeant) {
      const cause: DeathCause = { code: "KILLED", message: "it was killed by kill()" };
      if (event.noRestart) this.#life.die(nowMs, entry, cause, out);
      // Without a node its constructor has not begun: it will be a fresh instance anyway.
      else if (entry.nodeId !== null) this.#life.restartOrDie(nowMs, entry, cause, out, { stop: true });
    }
    out.push({ type: "killDone", requestId: event.requestId });
  }

  #outOfScope(nowMs: number, actorId: ActorId, out: ActorEffect[]): void {
    const entry = this.#table.get(actorId);
    // A named actor can be found again by its name, a detached one lives until it is killed.
    if (entry === undefined || entry.state === "DEAD" || entry.spec.detached || entry.spec.name !== "") {
      return;
    }
    if (!this.#revivals.postpones(entry)) this.#end(nowMs)(entry, out);
  }

  /** How an actor ends that nobody refers to. */
  #end(nowMs: number): (entry: ActorEntry, out: ActorEffect[]) => void {
    return (entry, out) => {
      entry.ending = { code: "OUT_OF_SCOPE", message: "it ended because its last handle was released" };
      if (entry.state === "ALIVE") this.#life.stop(entry, true, entry.ending, out);
      // Not started yet, so no call can be on its way: handles with calls in flight keep it in scope.
      else this.#life.die(nowMs, entry, entry.ending, out);
    };
  }

  #dependencies(
    nowMs: number,
    event: Event<"dependenciesReady" | "dependenciesFailed">,
    out: ActorEffect[],
  ): void {
    const entry = this.#table.get(event.actorId);
    // It died, or was told before.
    if (entry === undefined || entry.state !== "DEPENDENCIES_UNREADY") return;
    if (event.type === "dependenciesReady") return this.#proceed(nowMs, entry, out);
    const message = `a constructor argument of actor ${event.actorId} is lost: ${event.message}`;
    this.#life.die(nowMs, entry, { code: "CREATION_FAILED", message }, out);
  }

  #proceed(nowMs: number, entry: ActorEntry, out: ActorEffect[]): void {
    this.#table.transition(entry, "PENDING_CREATION");
    this.#life.place(nowMs, entry, out);
  }

  #placement(
    nowMs: number,
    event: Event<"actorPlaced" | "actorUnschedulable" | "relocateActor">,
    out: ActorEffect[],
  ): void {
    const entry = this.#table.get(event.actorId);
    // About an incarnation that is over, or that has started meanwhile.
    if (entry === undefined || entry.incarnation !== event.incarnation || !isPending(entry)) return;
    if (event.type === "relocateActor") {
      if (entry.nodeId === null || entry.missingSinceMs !== null) return;
      const stops: ActorEffect[] = [];
      const message = "another node can start it at once";
      this.#life.stop(entry, false, { code: "KILLED", message }, stops);
      entry.nodeId = null;
      entry.incarnation++;
      return this.#life.place(nowMs, entry, out, stops);
    }
    if (entry.nodeId !== null) return;
    if (event.type === "actorUnschedulable") {
      return this.#life.die(nowMs, entry, { code: "UNSCHEDULABLE", message: event.message }, out);
    }
    entry.nodeId = event.nodeId;
    this.#table.persist(entry, out);
    this.#life.start(entry, event.nodeId, out);
  }

  #startedMany(nowMs: number, event: Event<"actorsStarted">, out: ActorEffect[]): void {
    for (const [actorId, incarnation] of event.actors) {
      const started = { failed: false, message: "", hasErrorValue: false, actorId, incarnation };
      this.#started(nowMs, { ...event, type: "actorStarted", ...started }, out);
    }
  }

  #started(nowMs: number, event: Event<"actorStarted">, out: ActorEffect[]): void {
    const { actorId, incarnation, nodeId } = event;
    const entry = this.#table.get(actorId);
    const current = entry !== undefined && entry.incarnation === incarnation && entry.nodeId === nodeId;
    if (!current || entry.state === "DEAD") {
      // Late: killed, moved or restarted meanwhile. What runs there must end.
      const cause = entry?.deathCause ?? { code: "KILLED", message: "a newer incarnation took its place" };
      if (!event.failed) {
        out.push({ type: "stopActor", nodeId, actorId, incarnation, graceful: false, cause });
      }
      return;
    }
    // Resent.
    if (entry.state === "ALIVE") return;
    this.#life.found(entry);
    if (event.failed) {
      entry.hasErrorValue = event.hasErrorValue;
      return this.#life.die(nowMs, entry, { code: "CREATION_FAILED", message: event.message }, out);
    }
    this.#life.alive(nowMs, entry, event, out);
  }

  #processExited(nowMs: number, event: Event<"processExited">, out: ActorEffect[]): void {
    const { processId, actorId } = event;
    this.#deadOwners.add(processId);
    if (this.#deadOwners.size > DEAD_OWNERS_KEPT) this.#deadOwners.takeOldest();
    this.#unknown.ownerDied(processId, ownerDied(processId), out);
    this.#revivals.processGone(processId, this.#end(nowMs), out);
    for (const entry of this.#table.ownedBy(processId)) {
      this.#life.die(nowMs, entry, ownerDied(processId), out);
    }
    if (actorId !== null) this.#incarnationEnded(nowMs, [actorId, event.incarnation], event, out);
  }

  #incarnationEnded(
    nowMs: number,
    [actorId, incarnation]: ActorIncarnation,
    { intended, cause }: { readonly intended: boolean; readonly cause: DeathCause },
    out: ActorEffect[],
  ): void {
    const entry = this.#table.get(actorId);
    // One of an earlier incarnation, or of an actor that is dead already.
    if (entry === undefined || entry.state === "DEAD" || entry.incarnation !== incarnation) return;
    if (entry.nodeId === null) return;
    if (intended) this.#life.die(nowMs, entry, entry.ending ?? cause, out, { stop: false });
    else this.#life.restartOrDie(nowMs, entry, cause, out, { stop: false });
  }

  #nodeDied(nowMs: number, event: Event<"nodeDied">, out: ActorEffect[]): void {
    const { nodeId, reason } = event;
    for (const actorId of this.#table.watchedBy(nodeId)) this.#table.unwatch(actorId, nodeId);
    this.#unknown.prune();
    this.#revivals.nodeGone(nodeId, this.#end(nowMs), out);
    // Owners first: what dies with its owner is not restarted.
    for (const entry of this.#table.living()) {
      if (entry.spec.ownerNode !== nodeId || entry.spec.detached) continue;
      const message = `the node ${nodeId} of its owner ${entry.spec.owner} died: ${reason}`;
      this.#life.die(nowMs, entry, { code: "OWNER_DIED", message }, out, { stop: entry.nodeId !== nodeId });
    }
    for (const entry of this.#table.living()) {
      if (entry.nodeId !== nodeId) continue;
      const cause: DeathCause = { code: "NODE_DIED", message: `its node ${nodeId} died: ${reason}` };
      if (entry.state === "ALIVE") {
        this.#life.restartOrDie(nowMs, entry, cause, out, { stop: false });
        continue;
      }
      // Nobody has seen this incarnation alive: it is placed again and costs no restart.
      this.#life.found(entry);
      entry.nodeId = null;
      entry.incarnation++;
      this.#life.place(nowMs, entry, out);
    }
  }

  #reported(nowMs: number, nodeId: NodeId, actors: readonly ActorStatus[], out: ActorEffect[]): void {
    const reported = new Map(actors.map((status) => [status.actorId, status]));
    for (const status of actors) {
      const entry = this.#table.get(status.actorId);
      // The dead and unknown ones are in the registration's answer (endedAmong).
      if (entry === undefined || entry.state === "DEAD") continue;
      if (entry.nodeId === nodeId && entry.incarnation === status.incarnation) continue;
      const cause: DeathCause = { code: "KILLED", message: "a newer incarnation took its place" };
      const { actorId, incarnation } = status;
      out.push({ type: "stopActor", nodeId, actorId, incarnation, graceful: false, cause });
    }
    for (const entry of this.#table.living()) {
      if (entry.nodeId !== nodeId) continue;
      const status = reported.get(entry.spec.actorId);
      this.#life.found(entry);
      if (status === undefined || status.incarnation !== entry.incarnation) {
        entry.missingSinceMs = nowMs;
        this.#life.timed.add(entry);
      } else if (entry.state !== "ALIVE" && status.state === "ALIVE") {
        this.#life.alive(nowMs, entry, status, out);
      } else if (entry.ending !== null) {
        this.#life.stop(entry, true, entry.ending, out);
      }
    }
    for (const actorId of this.#table.watchedBy(nodeId)) {
      // What was published while it was away is lost.
      const entry = this.#table.get(actorId);
      if (entry !== undefined) out.push({ type: "publishStatus", nodes: [nodeId], status: statusOf(entry) });
    }
  }

  #jobEnded(nowMs: number, event: Event<"jobEnded">, out: ActorEffect[]): void {
    this.#revivals.jobEnded(event.jobId, out);
    // A detached actor outlives its job, and so does what its process owns.
    const spared = new Set<ProcessId>();
    for (const entry of this.#table.living()) {
      if (entry.spec.jobId !== event.jobId) continue;
      if (!entry.spec.detached && !spared.has(entry.spec.owner)) {
        const message = `its job ${event.jobId} ended`;
        this.#life.die(nowMs, entry, { code: "JOB_ENDED", message }, out);
      } else if (entry.workerId !== null) spared.add(entry.workerId);
    }
  }

  #groupRemoved(nowMs: number, { groupId, message }: Event<"groupRemoved">, out: ActorEffect[]): void {
    for (const entry of this.#table.inGroup(groupId)) {
      const { actorId } = entry.spec;
      const text = `actor ${actorId}'s placement group ${groupId} was removed: ${message}`;
      this.#life.die(nowMs, entry, { code: "PLACEMENT_GROUP_REMOVED", message: text }, out);
    }
  }

  #tick(nowMs: number, out: ActorEffect[]): void {
    this.#unknown.tick(nowMs, out);
    for (const entry of [...this.#life.timed]) {
      const { spec, state, incarnation } = entry;
      if (entry.placeAtMs !== null && nowMs >= entry.placeAtMs) {
        this.#life.found(entry);
        const { actorId, args } = spec;
        if (state === "DEPENDENCIES_UNREADY") out.push({ type: "awaitDependencies", actorId, args });
        else out.push({ type: "placeActor", spec, incarnation });
      } else if (entry.missingSinceMs !== null && nowMs - entry.missingSinceMs >= MISSING_MS) {
        this.#life.found(entry);
        const cause: DeathCause = {
          code: "WORKER_DIED",
          message: `node ${entry.nodeId} came back without it`,
        };
        if (state === "ALIVE") this.#life.restartOrDie(nowMs, entry, cause, out, { stop: true });
        // The order to start was lost with the connection: give it again.
        else this.#life.start(entry, entry.nodeId!, out);
      }
    }
  }
}

function ownerDied(owner: ProcessId): DeathCause {
  return { code: "OWNER_DIED", message: `its owner ${owner} died` };
}
