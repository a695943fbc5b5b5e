/**
 * Who of a node's processes hears of which actor: one subscription at the head for each actor, however many watch it here.
 * There may be a hundred thousand, so what is kept of each is little: statuses that came together share what they share.
 * @module
 */
import type { ActorId, ProcessId } from "../common/ids.ts";
import type { ActorStatus } from "../common/task_spec.ts";
import type { ActorIncarnation, StatusBatch } from "../protocol/light_actor_messages.ts";
import type { HeadLink } from "./agent_head_link.ts";
import type { AttachedProcess } from "./agent_processes.ts";

/** An actor that somebody here watches. */
interface Watched {
  /** Its last known state, without who it is; null until the head has said something. */
  common: StatusBatch["common"] | null;
  incarnation: number;
  /** Its constructor's error, if that came along. */
  sections: readonly Uint8Array[];
  readonly watchers: AttachedProcess[];
  /** As far as its watchers know it. */
  readonly owner: ProcessId | undefined;
}

/** Actors of one message. */
const BATCH_MAX = 2_000;

const NO_SECTIONS: readonly Uint8Array[] = Object.freeze([]);

/** See the module's header. */
export class ActorWatches {
  readonly #head: HeadLink;
  /** All and only actors that somebody here watches and that are not known to be dead. */
  readonly #watched: Map<ActorId, Watched> = new Map();

  constructor(head: HeadLink) {
    this.#head = head;
  }

  /** AgentMethods.watchActor: the present state at once, where it is known, then every change. */
  watch(process: AttachedProcess, actorId: ActorId, owner?: ProcessId): void {
    const known = this.#watched.get(actorId);
    const watched = this.#add(process, actorId, owner);
    if (known === undefined) this.#head.notify("watchActor", { actorId, owner });
    else if (watched.common !== null) {
      const status = { ...watched.common, actorId, incarnation: watched.incarnation };
      process.rpc.notify("actorStatus", { status }, watched.sections);
    }
  }

  /** What createActors makes: the head knows that this node watches them. */
  created(process: AttachedProcess, actorIds: readonly ActorId[]): void {
    for (const actorId of actorIds) this.#add(process, actorId);
  }

  /** NodeMethods.actorStatuses. */
  publishedMany({ common, actors }: StatusBatch): void {
    const told = new Map<AttachedProcess, ActorIncarnation[]>();
    for (const actor of actors) {
      for (const process of this.#update(actor, common, NO_SECTIONS)) {
        const news = told.get(process);
        if (news === undefined) told.set(process, [actor]);
        else news.push(actor);
      }
    }
    for (const [{ rpc }, news] of told) rpc.notify("actorStatuses", { common, actors: news });
  }

  /** NodeMethods.actorStatus. */
  published(status: ActorStatus, views: readonly Uint8Array[]): void {
    const { actorId, incarnation, ...common } = status;
    const sections = views.length === 0 ? NO_SECTIONS : views.map((section) => section.slice());
    for (const { rpc } of this.#update([actorId, incarnation], common, sections)) {
      rpc.notify("actorStatus", { status }, sections);
    }
  }

  /** After a registration: the head may be a new one that knows no watchers. */
  watchAgain(): void {
    const others: ActorId[] = [];
    for (const [actorId, { owner }] of this.#watched) {
      if (owner === undefined) others.push(actorId);
      else this.#head.notify("watchActor", { actorId, owner });
    }
    for (const actorIds of parts(others)) this.#head.notify("watchActors", { actorIds });
  }

  /** The worker of an actor that somebody here watches. */
  workerOf(actorId: string): ProcessId | null {
    return this.#watched.get(actorId as ActorId)?.common?.workerId ?? null;
  }

  processDied(process: AttachedProcess): void {
    const unwatched: ActorId[] = [];
    for (const actorId of process.watching) {
      const watchers = this.#watched.get(actorId)?.watchers;
      const index = watchers?.indexOf(process) ?? -1;
      if (watchers === undefined || index < 0) continue; // It is dead.
      watchers.splice(index, 1);
      if (watchers.length > 0) continue;
      this.#watched.delete(actorId);
      unwatched.push(actorId);
    }
    for (const actorIds of parts(unwatched)) this.#head.notify("unwatchActors", { actorIds });
  }

  #add(process: AttachedProcess, actorId: ActorId, owner?: ProcessId): Watched {
    process.watching.add(actorId);
    let watched = this.#watched.get(actorId);
    if (watched === undefined) {
      watched = { common: null, incarnation: 0, sections: NO_SECTIONS, watchers: [process], owner };
      this.#watched.set(actorId, watched);
    } else if (!watched.watchers.includes(process)) watched.watchers.push(process);
    return watched;
  }

  /** What is known of it from now on; answers who must hear of it. */
  #update(
    [actorId, incarnation]: ActorIncarnation,
    common: StatusBatch["common"],
    sections: readonly Uint8Array[],
  ): readonly AttachedProcess[] {
    const watched = this.#watched.get(actorId);
    // Late: the last watcher is gone.
    if (watched === undefined) return [];
    watched.common = common;
    watched.incarnation = incarnation;
    watched.sections = sections;
    if (common.state === "DEAD") {
      // There is nothing more to hear; who asks again is answered by the head.
      this.#watched.delete(actorId);
      for (const process of watched.watchers) process.watching.delete(actorId);
    }
    return watched.watchers;
  }
}

function* parts(actorIds: readonly ActorId[]): Iterable<readonly ActorId[]> {
  for (let at = 0; at < actorIds.length; at += BATCH_MAX) yield actorIds.slice(at, at + BATCH_MAX);
}
