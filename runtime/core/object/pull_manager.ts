/**
 * Brings objects to this node: each once, however many wait for it; a large one in parts from several holders at a time. It decides what to pull now; it does not
 * move bytes, own room or pins, or know where objects are (the GCS does).
 *
 * Of one object:
 *
 *     locating --1--> located --2--> reserving --3--> fetching --4--> (here)
 *        ^               |  ^             |              |
 *        +-------6-------+  +------5------+------5-------+
 *
 *   1 The GCS told holders and size (its callback waits for objects that do not exist yet).
 *   2 A bundle that wants it was admitted.        3 The store has made room.        4 All bytes arrived and were sealed.
 *   5 Its last admitted bundle is gone or was set back: the transfer stops and the room goes back.
 *     A busy holder names others that have some of it: they are asked first, and it again, in earnest, when they cannot help.
 *   6 No holder could send it: after a pause, doubled each time, the GCS is asked again, PULL_ROUNDS_MAX times in all.
 *
 * Which requests are served now, and which wait for room, is decided in pull_admission.ts.
 * @module
 */
import { assert } from "../../common/assert.ts";
import { PULL_RETRY_MS, PULL_ROUNDS_MAX } from "../../common/config.ts";
import type { NodeId, ObjectId } from "../../common/ids.ts";
import type { Core } from "../core.ts";
import { rangesOf, SENDERS_MAX } from "./pull_ranges.ts";
import { Admission, type PullRoom, unpinAll } from "./pull_admission.ts";
import {
  type Bundle,
  holdsRoom,
  isForAdmitted,
  type ObjectState,
  type Pull,
  storeBytes,
} from "./pull_state.ts";
import type { PullEffect, PullEvent, WantedObject } from "./pull_types.ts";

export class PullManager implements Core<PullEvent, PullEffect> {
  readonly #pulls = new Map<ObjectId, Pull>();
  /** All and only pulls in state paused. */
  readonly #paused = new Set<Pull>();
  /** By key. Bounded by open requests of this node's processes and leases. */
  readonly #bundles = new Map<string, Bundle>();
  readonly #admission: Admission;
  #sequence = 0;
  #timerMs = Infinity;

  constructor(room: PullRoom) {
    this.#admission = new Admission(room);
  }

  /** An object on its way here, for people. */
  pulls(): Iterable<Readonly<Pull>> {
    return this.#pulls.values();
  }

  pull(id: ObjectId): Readonly<Pull> | undefined {
    return this.#pulls.get(id);
  }

  get pullCount(): number {
    return this.#pulls.size;
  }

  step(nowMs: number, event: PullEvent): readonly PullEffect[] {
    const effects: PullEffect[] = [];
    switch (event.type) {
      case "wanted":
        this.#wanted(event, effects);
        break;
      case "cancelled":
        this.#end(event.key, effects);
        break;
      case "released":
        this.#admission.release(event.key);
        break;
      case "located":
        this.#located(nowMs, event, effects);
        break;
      case "locateFailed":
        this.#failAll(event.id, event.code, event.message, effects);
        break;
      case "reserveFailed":
        this.#reserveFailed(nowMs, event, effects);
        break;
      case "reserved": {
        const pull = this.#pulls.get(event.id);
        // Else it was set back, and its release is on the way.
        if (pull?.state === "reserving") this.#fetchNext(nowMs, pull, effects);
        break;
      }
      case "fetched":
        this.#fetched(nowMs, event, effects);
        break;
      case "fetchFailed":
        this.#fetchFailed(nowMs, event, effects);
        break;
      case "referred":
        this.#referred(nowMs, event, effects);
        break;
      case "sealed":
        this.#sealed(event.id, effects);
        break;
      case "removed":
        this.#removed(event.id, effects);
        break;
      case "nodeDied":
        this.#nodeDied(nowMs, event.node, effects);
        break;
      case "roomChanged":
        break;
      case "timer":
        this.#timerMs = Infinity;
        break;
      default:
        event satisfies never;
    }
    this.#askAgain(nowMs, effects);
    this.#admission.admit(effects, {
      reserve: (pull, out) => this.#reserve(pull, out),
      setBack: (pull, out) => this.#setBackIfUnneeded(pull, out),
      finish: (bundle, out) => this.#finish(bundle, out),
      giveUp: (bundle, out) => this.#giveUp(bundle, out),
    });
    return effects;
  }

  #wanted(event: Extract<PullEvent, { type: "wanted" }>, effects: PullEffect[]): void {
    assert(!this.#bundles.has(event.key), `request ${event.key} is new`);
    const bundle: Bundle = {
      key: event.key,
      purpose: event.purpose,
      fetch: event.fetch,
      pins: event.bundle,
      sequence: this.#sequence++,
      depth: event.depth ?? 0,
      missing: new Map(),
      here: new Map(),
      admitted: false,
    };
    this.#bundles.set(event.key, bundle);
    this.#admission.add(bundle);
    for (const { id, home, at } of event.objects) {
      if (event.local.has(id)) bundle.here.set(id, home);
      else this.#miss(bundle, { id, home, at }, effects);
    }
    if (bundle.missing.size === 0 && !bundle.pins) return this.#finish(bundle, effects);
    this.#admission.noteLocated(bundle);
    if (bundle.fetch) return;
    for (const pull of [...bundle.missing.values()]) {
      // It exists; that is all this one asks.
      if (pull.state !== "locating") this.#arrived(bundle, pull, effects);
    }
  }

  #miss(bundle: Bundle, { id, home, at }: WantedObject, effects: PullEffect[]): void {
    let pull = this.#pulls.get(id);
    if (pull === undefined) {
      pull = {
        id,
        home,
        at,
        state: "locating",
        nodes: [],
        busy: [],
        named: new Set(),
        senders: new Map(),
        unsent: [],
        bytes: 0,
        round: 0,
        retryMs: 0,
        lastError: "",
        lastCode: "ObjectLostError",
        wantedBy: new Set(),
      };
      this.#pulls.set(id, pull);
      effects.push({ type: "locate", id, home, at });
    } else if (pull.at === undefined && at !== undefined) {
      pull.at = at;
      // The open question would wait for ever should that node be dead.
      if (pull.state === "locating") effects.push({ type: "locate", id, home, at });
    }
    pull.wantedBy.add(bundle);
    bundle.missing.set(id, pull);
  }

  #located(nowMs: number, event: Extract<PullEvent, { type: "located" }>, effects: PullEffect[]): void {
    const pull = this.#pulls.get(event.id);
    if (pull?.state !== "locating") return; // Cancelled, or sealed here meanwhile.
    pull.bytes = event.bytes;
    pull.nodes = [...event.nodes];
    pull.busy = [];
    pull.named = new Set(event.nodes);
    this.#setState(pull, "located");
    for (const bundle of [...pull.wantedBy]) {
      if (bundle.fetch) this.#admission.noteLocated(bundle);
      else this.#arrived(bundle, pull, effects);
    }
    if (!this.#pulls.has(pull.id)) return;
    if (pull.nodes.length === 0) {
      pull.lastError = "the GCS knows no other node that holds it";
      this.#pause(nowMs, pull, effects);
    } else if (isForAdmitted(pull)) {
      this.#reserve(pull, effects);
    }
  }

  #reserve(pull: Pull, effects: PullEffect[]): void {
    this.#setState(pull, "reserving");
    effects.push({ type: "reserve", id: pull.id, bytes: pull.bytes });
  }

  /** Shares what nobody sends out among the holders that send nothing. */
  #fetchNext(nowMs: number, pull: Pull, effects: PullEffect[]): void {
    const { bytes, nodes, senders } = pull;
    if (pull.state !== "fetching") {
      this.#setState(pull, "fetching");
      pull.unsent = rangesOf(bytes, nodes.length);
    }
    while (senders.size < SENDERS_MAX && nodes.length > 0 && pull.unsent.length > 0) {
      this.#fetchFrom(pull, nodes.shift()!, false, effects);
    }
    // Else those who send take the rest when they are done.
    if (senders.size > 0) return;
    if (pull.busy.length > 0) this.#fetchFrom(pull, pull.busy.shift()!, true, effects);
    else this.#pause(nowMs, pull, effects);
  }

  #fetchFrom(pull: Pull, node: NodeId, insists: boolean, effects: PullEffect[]): void {
    const range = pull.unsent.shift()!;
    pull.senders.set(node, range);
    effects.push({
      type: "fetch",
      id: pull.id,
      node,
      ...(range.length < pull.bytes && { range }),
      ...(insists && { insists }),
    });
  }

  #fetched(nowMs: number, event: Extract<PullEvent, { type: "fetched" }>, effects: PullEffect[]): void {
    const pull = this.#pulls.get(event.id);
    if (pull === undefined || !pull.senders.delete(event.node)) return; // It was stopped meanwhile.
    // It works, and before those that were not tried: it has a connection.
    pull.nodes.unshift(event.node);
    this.#fetchNext(nowMs, pull, effects);
  }

  #fetchFailed(
    nowMs: number,
    event: Extract<PullEvent, { type: "fetchFailed" }>,
    effects: PullEffect[],
  ): void {
    const pull = this.#pulls.get(event.id);
    const range = pull?.senders.get(event.node);
    if (pull === undefined || range === undefined) return; // Late: it goes on elsewhere already.
    pull.lastCode = "ObjectLostError";
    pull.lastError = event.absent ? `${event.node} does not have it` : `${event.node}: ${event.message}`;
    pull.senders.delete(event.node);
    pull.unsent.unshift(range);
    // A broken stream, not a broken node: without another holder it goes on where it was, and not from the beginning.
    if (event.progress === true) pull.busy.push(event.node);
    this.#fetchNext(nowMs, pull, effects);
  }

  /** Nothing has failed: who was named goes first, and the one that named them is the last resort. */
  #referred(nowMs: number, event: Extract<PullEvent, { type: "referred" }>, effects: PullEffect[]): void {
    const pull = this.#pulls.get(event.id);
    const range = pull?.senders.get(event.node);
    if (pull === undefined || range === undefined) return; // It was stopped meanwhile.
    pull.senders.delete(event.node);
    pull.unsent.unshift(range);
    pull.busy.push(event.node);
    const fresh = event.to.filter((node) => !pull.named.has(node));
    for (const node of fresh) pull.named.add(node);
    pull.nodes.unshift(...fresh);
    this.#fetchNext(nowMs, pull, effects);
  }

  #reserveFailed(
    nowMs: number,
    event: Extract<PullEvent, { type: "reserveFailed" }>,
    effects: PullEffect[],
  ): void {
    const pull = this.#pulls.get(event.id);
    if (pull?.state !== "reserving") return; // Set back meanwhile.
    if (event.forever) {
      this.#failAll(pull.id, event.code, event.message, effects);
      return;
    }
    // What fills the store may go: leases end, views are collected. Later, then, and not for ever.
    pull.lastError = event.message;
    pull.lastCode = event.code;
    this.#setState(pull, "located");
    this.#pause(nowMs, pull, effects);
  }

  #nodeDied(nowMs: number, node: NodeId, effects: PullEffect[]): void {
    for (const pull of [...this.#pulls.values()]) {
      pull.nodes = pull.nodes.filter((holder) => holder !== node);
      pull.busy = pull.busy.filter((holder) => holder !== node);
      const range = pull.senders.get(node);
      if (range === undefined) continue;
      effects.push({ type: "cancelFetch", id: pull.id, node });
      pull.senders.delete(node);
      pull.unsent.unshift(range);
      pull.lastError = `${node} died`;
      this.#fetchNext(nowMs, pull, effects);
    }
  }

  /** No holder is left to try. */
  #pause(nowMs: number, pull: Pull, effects: PullEffect[]): void {
    if (holdsRoom(pull)) effects.push({ type: "release", id: pull.id });
    this.#setState(pull, "paused");
    pull.round++;
    if (pull.round >= PULL_ROUNDS_MAX) {
      const message = `Cannot fetch ${pull.id}: tried ${pull.round} times; last: ${pull.lastError}`;
      this.#failAll(pull.id, pull.lastCode, message, effects);
      return;
    }
    pull.retryMs = nowMs + PULL_RETRY_MS * 2 ** (pull.round - 1);
    for (const bundle of pull.wantedBy) this.#admission.noteMissing(bundle);
  }

  #askAgain(nowMs: number, effects: PullEffect[]): void {
    let next = Infinity;
    for (const pull of this.#paused) {
      if (pull.retryMs <= nowMs) {
        this.#setState(pull, "locating");
        effects.push({ type: "locate", id: pull.id, home: pull.home, at: pull.at });
      } else {
        next = Math.min(next, pull.retryMs);
      }
    }
    if (next < this.#timerMs) {
      this.#timerMs = next;
      effects.push({ type: "setTimer", atMs: next });
    }
  }

  #sealed(id: ObjectId, effects: PullEffect[]): void {
    const pull = this.#pulls.get(id);
    if (pull === undefined) return; // Made here, and nobody asked.
    for (const bundle of [...pull.wantedBy]) this.#arrived(bundle, pull, effects);
  }

  /** What a bundle misses is here now (or exists, where that is all). The pull ends when nobody else misses it. */
  #arrived(bundle: Bundle, pull: Pull, effects: PullEffect[]): void {
    bundle.missing.delete(pull.id);
    pull.wantedBy.delete(bundle);
    bundle.here.set(pull.id, pull.home);
    if (bundle.admitted && bundle.pins) effects.push({ type: "pin", key: bundle.key, id: pull.id });
    if (pull.wantedBy.size === 0) this.#stop(pull, effects);
    if (bundle.missing.size > 0) return;
    // What it misses came for others, before it was its turn to pin anything.
    if (bundle.pins && !bundle.admitted) this.#admission.noteLocated(bundle);
    else this.#finish(bundle, effects);
  }

  #finish(bundle: Bundle, effects: PullEffect[]): void {
    this.#forget(bundle);
    effects.push({ type: "ready", key: bundle.key });
  }

  #giveUp({ key, missing }: Bundle, effects: PullEffect[]): void {
    const [id] = missing.keys();
    const message = `${id} was not fetched ahead of need: the object store has no room for it`;
    effects.push({ type: "failed", key, id: id!, code: "ObjectStoreFullError", message });
    this.#end(key, effects);
  }

  /** The bundle is over without its objects; what only it wanted is not pulled any more. */
  #end(key: string, effects: PullEffect[]): void {
    const bundle = this.#bundles.get(key);
    if (bundle === undefined) return; // Ready or failed before.
    this.#forget(bundle);
    this.#admission.release(key);
    if (bundle.pins && bundle.admitted) unpinAll(bundle, effects);
    for (const pull of bundle.missing.values()) {
      pull.wantedBy.delete(bundle);
      this.#setBackIfUnneeded(pull, effects);
    }
  }

  #forget(bundle: Bundle): void {
    this.#bundles.delete(bundle.key);
    this.#admission.forget(bundle);
  }

  #failAll(id: ObjectId, code: string, message: string, effects: PullEffect[]): void {
    const pull = this.#pulls.get(id);
    if (pull === undefined) return; // Nobody waits any more.
    // A refused reservation holds no room, and an answered question is not cancelled.
    this.#setState(pull, "located");
    this.#pulls.delete(id);
    effects.push({ type: "ended", id });
    for (const bundle of [...pull.wantedBy]) {
      effects.push({ type: "failed", key: bundle.key, id, code, message });
      this.#end(bundle.key, effects);
    }
  }

  /** An object is not on this node any more. Bundles that had it, without a pin, miss it again. */
  #removed(id: ObjectId, effects: PullEffect[]): void {
    for (const bundle of this.#admission.unpinned) {
      const home = bundle.here.get(id);
      if (home === undefined) continue;
      bundle.here.delete(id);
      this.#miss(bundle, { id, home }, effects);
      this.#admission.noteMissing(bundle);
      this.#admission.noteLocated(bundle);
    }
  }

  /** Ends a pull that nobody wants, and the transfer of one that no admitted bundle wants. */
  #setBackIfUnneeded(pull: Pull, effects: PullEffect[]): void {
    if (pull.wantedBy.size === 0) {
      this.#stop(pull, effects);
    } else if (holdsRoom(pull) && !isForAdmitted(pull)) {
      if (pull.senders.size > 0) {
        effects.push({ type: "cancelFetch", id: pull.id });
        pull.nodes.unshift(...pull.senders.keys());
      }
      pull.nodes.push(...pull.busy.splice(0));
      effects.push({ type: "release", id: pull.id });
      this.#setState(pull, "located");
    }
  }

  #stop(pull: Pull, effects: PullEffect[]): void {
    const { id, state } = pull;
    if (this.#pulls.get(id) !== pull) return; // Failed: it is over already.
    // Both find nothing to do when the object is sealed because this very transfer is complete.
    if (state === "fetching") effects.push({ type: "cancelFetch", id });
    if (holdsRoom(pull)) effects.push({ type: "release", id });
    this.#setState(pull, "located");
    this.#pulls.delete(id);
    effects.push({ type: "ended", id });
  }

  /** The only place where a pull's state changes. */
  #setState(pull: Pull, state: ObjectState): void {
    if (pull.state === "reserving") this.#admission.promisedBytes -= storeBytes(pull);
    if (state === "reserving") this.#admission.promisedBytes += storeBytes(pull);
    if (state === "paused") this.#paused.add(pull);
    else this.#paused.delete(pull);
    if (state !== "fetching") {
      pull.senders.clear();
      pull.unsent = [];
    }
    pull.state = state;
  }

  check(): void {
    let promised = 0;
    for (const bundle of this.#bundles.values()) {
      assert(bundle.missing.size > 0 || bundle.pins, `${bundle.key} waits for something`);
      for (const pull of bundle.missing.values()) {
        assert(pull.wantedBy.has(bundle), `${pull.id} knows that ${bundle.key} wants it`);
        assert(this.#pulls.get(pull.id) === pull, `${pull.id} is being pulled`);
      }
    }
    for (const pull of this.#pulls.values()) {
      assert(pull.wantedBy.size > 0, `${pull.id} is wanted`);
      assert((pull.state === "fetching") === (pull.senders.size > 0), `${pull.id} comes from somewhere`);
      assert(pull.senders.size <= SENDERS_MAX, `${pull.id} comes from few`);
      for (const node of pull.senders.keys()) {
        assert(!pull.nodes.includes(node) && !pull.busy.includes(node), `${node} sends ${pull.id}`);
      }
      assert(!holdsRoom(pull) || isForAdmitted(pull), `${pull.id} has room for an admitted bundle`);
      assert((pull.state === "paused") === this.#paused.has(pull), `${pull.id} is known to be paused`);
      if (pull.state === "paused") assert(this.#timerMs <= pull.retryMs, `${pull.id} has a timer`);
      if (pull.state === "reserving") promised += storeBytes(pull);
    }
    assert(promised === this.#admission.promisedBytes, "promised bytes add up");
    this.#admission.check(this.#bundles.values());
  }
}
