/**
 * Which worker process of a node hosts which light actor. Hosts are by key: only actors of one job, namespace, environment
 * and lifetime share a process.
 *
 *   (wanted) --1--> starting --2--> ready --3--> empty --4--> (stopped)
 *                      |              | ^----5-----/
 *                      +------6-------+----------------> (gone)
 *
 *   1 The key has no host, or each has ACTORS_PER_START actors and the node has a CPU without a host of the key. Others go to
 *     the host with the fewest actors: hosts are for CPUs, not for actors.
 *   2 Its worker is there: what waits for it is constructed, in the order of arrival.
 *   3 Its last actor is gone.   4 For EMPTY_MS: the next actors of the key would only start it again.   5 One came.
 *   6 Its worker, or the attempt to get one, failed: all its actors are lost, each to be judged by its own rules.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ActorId } from "../../common/ids.ts";
import type { Core } from "../core.ts";

/** Actors of one key that one process hosts before the next CPU's process is started. */
export const ACTORS_PER_START: number = 64;
/** How long a host without actors is kept. */
export const EMPTY_MS: number = 2_000;

/** Names a host within its node, also before there is a worker. */
export type HostId = string;

export type HostsEvent =
  /** The head gave this node the actor; it must not be here. */
  | { readonly type: "actorWanted"; readonly key: string; readonly actorId: ActorId }
  | { readonly type: "actorGone"; readonly actorId: ActorId }
  | { readonly type: "hostReady"; readonly hostId: HostId }
  /** Its worker exited, or none could be had. */
  | { readonly type: "hostGone"; readonly hostId: HostId }
  | { readonly type: "timer" };

export type HostsEffect =
  /** Get a worker for actors of this key, then say hostReady or hostGone. */
  | { readonly type: "startHost"; readonly hostId: HostId; readonly key: string; readonly actorId: ActorId }
  | { readonly type: "construct"; readonly hostId: HostId; readonly actorIds: readonly ActorId[] }
  /** They were on a host that is gone. */
  | { readonly type: "actorsLost"; readonly hostId: HostId; readonly actorIds: readonly ActorId[] }
  | { readonly type: "stopHost"; readonly hostId: HostId }
  | { readonly type: "setTimer"; readonly atMs: number };

interface Host {
  readonly hostId: HostId;
  readonly key: string;
  state: "starting" | "ready" | "stopping";
  readonly actors: Set<ActorId>;
  /** Since when it has none; null while it has some. */
  emptySinceMs: number | null;
}

/** See the module's header. */
export class ActorHosts implements Core<HostsEvent, HostsEffect> {
  readonly #hostsMax: number;
  /** All and only hosts that were started and are not gone. */
  readonly #hosts: Map<HostId, Host> = new Map();
  /** Those of them that take actors. */
  readonly #byKey: Map<string, Host[]> = new Map();
  readonly #hostOf: Map<ActorId, Host> = new Map();
  #next = 1;

  /** `cpus`: how many hosts of one key are of use. */
  constructor(cpus: number) {
    this.#hostsMax = Math.max(1, Math.floor(cpus));
  }

  step(nowMs: number, event: HostsEvent): readonly HostsEffect[] {
    const out: HostsEffect[] = [];
    switch (event.type) {
      case "actorWanted":
        this.#wanted(event.key, event.actorId, out);
        break;
      case "actorGone":
        this.#actorGone(nowMs, event.actorId, out);
        break;
      case "hostReady": {
        const host = this.#hosts.get(event.hostId);
        // It was given up before it came.
        if (host?.state !== "starting") break;
        host.state = "ready";
        if (host.actors.size > 0) {
          out.push({ type: "construct", hostId: host.hostId, actorIds: [...host.actors] });
        }
        break;
      }
      case "hostGone":
        this.#hostGone(event.hostId, out);
        break;
      case "timer":
        this.#stopEmpty(nowMs, out);
        break;
      default:
        event satisfies never;
    }
    return out;
  }

  /** The host of an actor that is here. */
  hostOf(actorId: ActorId): HostId | null {
    return this.#hostOf.get(actorId)?.hostId ?? null;
  }

  /** How many actors a host has. */
  sizeOf(hostId: HostId): number {
    return this.#hosts.get(hostId)?.actors.size ?? 0;
  }

  check(): void {
    let actors = 0;
    for (const host of this.#hosts.values()) {
      actors += host.actors.size;
      assert(
        (host.actors.size === 0) === (host.emptySinceMs !== null),
        `${host.hostId} knows if it is empty`,
      );
      assert(host.state !== "stopping" || host.actors.size === 0, `${host.hostId} stops without actors`);
      for (const id of host.actors) assert(this.#hostOf.get(id) === host, `${id} is where it is said to be`);
      const open = this.#byKey.get(host.key)?.includes(host) ?? false;
      assert(open === (host.state !== "stopping"), `${host.hostId} takes actors unless it stops`);
    }
    assert(actors === this.#hostOf.size, "every actor is on a host");
    for (const hosts of this.#byKey.values()) {
      assert(hosts.length > 0 && hosts.length <= this.#hostsMax, "a key has a host, and one a CPU at most");
    }
  }

  #wanted(key: string, actorId: ActorId, out: HostsEffect[]): void {
    assert(!this.#hostOf.has(actorId), `${actorId} is not here`);
    const hosts = this.#byKey.get(key) ?? [];
    let host = leastOf(hosts);
    if (host === null || (host.actors.size >= ACTORS_PER_START && hosts.length < this.#hostsMax)) {
      host = { hostId: `h${this.#next++}`, key, state: "starting", actors: new Set(), emptySinceMs: null };
      this.#hosts.set(host.hostId, host);
      this.#byKey.set(key, [...hosts, host]);
      out.push({ type: "startHost", hostId: host.hostId, key, actorId });
    }
    host.actors.add(actorId);
    host.emptySinceMs = null;
    this.#hostOf.set(actorId, host);
    if (host.state === "ready") out.push({ type: "construct", hostId: host.hostId, actorIds: [actorId] });
  }

  #actorGone(nowMs: number, actorId: ActorId, out: HostsEffect[]): void {
    const host = this.#hostOf.get(actorId);
    // Its host was lost, and it with it.
    if (host === undefined) return;
    this.#hostOf.delete(actorId);
    host.actors.delete(actorId);
    if (host.actors.size > 0) return;
    host.emptySinceMs = nowMs;
    out.push({ type: "setTimer", atMs: nowMs + EMPTY_MS });
  }

  #hostGone(hostId: HostId, out: HostsEffect[]): void {
    const host = this.#hosts.get(hostId);
    if (host === undefined) return; // Told twice: its lease failed, and it exited.
    this.#hosts.delete(hostId);
    this.#close(host);
    for (const actorId of host.actors) this.#hostOf.delete(actorId);
    if (host.actors.size > 0) out.push({ type: "actorsLost", hostId, actorIds: [...host.actors] });
  }

  #stopEmpty(nowMs: number, out: HostsEffect[]): void {
    for (const host of this.#hosts.values()) {
      if (host.state !== "ready" || host.emptySinceMs === null) continue;
      if (nowMs - host.emptySinceMs < EMPTY_MS) {
        out.push({ type: "setTimer", atMs: host.emptySinceMs + EMPTY_MS });
        continue;
      }
      host.state = "stopping";
      this.#close(host);
      out.push({ type: "stopHost", hostId: host.hostId });
    }
  }

  /** It takes no more actors. */
  #close(host: Host): void {
    const others = (this.#byKey.get(host.key) ?? []).filter((each) => each !== host);
    if (others.length === 0) this.#byKey.delete(host.key);
    else this.#byKey.set(host.key, others);
  }
}

/** The host with the fewest actors, the oldest of them. */
function leastOf(hosts: readonly Host[]): Host | null {
  let least: Host | null = null;
  for (const host of hosts) if (least === null || host.actors.size < least.actors.size) least = host;
  return least;
}
