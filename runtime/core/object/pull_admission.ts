/**
 * Which requests the pull manager serves now, and which wait for room in the store.
 *
 * Of one bundle (a get, a wait, a prefetch, or the arguments of a lease):
 *
 *     waiting --7--> admitted --8--> ready
 *        ^--------9-----'
 *
 *   7 All it misses fits the room that is left, in the order get, wait, argument, first come first served. When nothing
 *     else moves, one is admitted that does not fit: the store evicts, waits, or says why not. So arguments arrive a lease
 *     at a time, instead of a part of every lease's until nothing moves.
 *   8 All of it is here. From its admission on, a bundle pins what is here, so that nothing of it is evicted again.
 *   9 A bundle of a more urgent purpose needs its room: transfers stop, pins go.
 *
 * Arguments that are here count against the share of memory that arguments may hold until their lease lets go of them.
 * @module
 */
import { assert } from "../../common/assert.ts";
import type { ObjectId } from "../../common/ids.ts";
import { ArgumentQuota, type Sizes } from "./argument_quota.ts";
import { type Bundle, isLocated, missingBytes, type Pull, storeBytes, URGENCY } from "./pull_state.ts";
import type { PullEffect } from "./pull_types.ts";

/** What the manager must know of the store. */
export interface PullRoom {
  /** What could be given to pulls now: free, or evictable. */
  bytes(): number;
  /** Bytes of an object if it could be evicted now, else 0. */
  evictableBytes(id: ObjectId): number;
  /** Bytes of an object that is here, else 0. */
  bytesOf(id: ObjectId): number;
  /** Whether an object is in this node's memory now. One that has just left it may not have been reported as removed yet. */
  isHere(id: ObjectId): boolean;
  /** What arguments of tasks may hold together. */
  readonly argumentBytes: number;
}

/** What admission does to pulls. */
export interface AdmissionActions {
  reserve(pull: Pull, effects: PullEffect[]): void;
  /** Stops the pull unless another admitted bundle wants it. */
  setBack(pull: Pull, effects: PullEffect[]): void;
  /** It was admitted and misses nothing. */
  finish(bundle: Bundle, effects: PullEffect[]): void;
  /** There is no room for a prefetch. */
  giveUp(bundle: Bundle, effects: PullEffect[]): void;
}

export class Admission {
  readonly #room: PullRoom;
  /** Room that pulls in state reserving will take; the store does not count it as taken yet. The manager keeps it true. */
  promisedBytes: number = 0;
  /** All and only bundles to fetch that are not admitted and miss nothing whose size is unknown. */
  readonly #candidates = new Set<Bundle>();
  readonly #admitted = new Set<Bundle>();
  /** All and only bundles that pin, but not now: what they have here may be evicted. */
  readonly #unpinned = new Set<Bundle>();

  readonly #quota: ArgumentQuota;

  constructor(room: PullRoom) {
    this.#room = room;
    this.#quota = new ArgumentQuota(room.argumentBytes);
  }

  get unpinned(): Iterable<Bundle> {
    return this.#unpinned;
  }

  add(bundle: Bundle): void {
    if (bundle.pins) this.#unpinned.add(bundle);
  }

  /** The lease lets go of its arguments. */
  release(key: string): void {
    this.#quota.release(key);
  }

  forget(bundle: Bundle): void {
    this.#candidates.delete(bundle);
    this.#admitted.delete(bundle);
    this.#unpinned.delete(bundle);
  }

  /** Something that the bundle misses was located. */
  noteLocated(bundle: Bundle): void {
    if (bundle.fetch && !bundle.admitted && isLocated(bundle)) this.#candidates.add(bundle);
  }

  /** Nobody knows any more where something that the bundle misses is. */
  noteMissing(bundle: Bundle): void {
    this.#candidates.delete(bundle);
  }

  /** Admits what fits, the most urgent first; sets back less urgent bundles for it. */
  admit(effects: PullEffect[], actions: AdmissionActions): void {
    if (this.#candidates.size === 0) return;
    const waiting = [...this.#candidates].sort((a, b) =>
      URGENCY[a.purpose] - URGENCY[b.purpose] || a.sequence - b.sequence
    );
    const reserves: PullEffect[] = [];
    const complete: Bundle[] = [];
    // Objects that are here and will be pinned: the store counts them as evictable until it performs these effects.
    let pinningBytes = 0;
    let blocked = false;
    // Arguments of tasks of this depth, and of those above, wait for some that came first.
    let blockedDepth = -1;
    for (const bundle of waiting) {
      // Of several objects that were evicted at once the first is reported: what is gone cannot be pinned.
      if (bundle.pins && !this.#isHere(bundle)) continue;
      const need = (): number => missingBytes(bundle) + this.#evictableBytes(bundle);
      const room = (): number => this.#room.bytes() - this.promisedBytes - pinningBytes;
      const sizes = bundle.purpose === "argument" && bundle.pins ? this.#sizesOf(bundle) : null;
      if (bundle.purpose === "prefetch" && need() > 0 && (blocked || need() > room())) {
        actions.giveUp(bundle, effects);
        continue;
      }
      if (sizes !== null && (bundle.depth <= blockedDepth || !this.#quota.fits(sizes, bundle.depth))) {
        blockedDepth = Math.max(blockedDepth, bundle.depth);
        continue;
      }
      // What takes no room never waits behind what does.
      if (blocked && need() > 0) continue;
      while (need() > room() && this.#setBackFor(bundle, effects, actions));
      if (need() > room() && this.#admitted.size > 0) blocked = true;
      if (blocked && need() > 0) continue;
      pinningBytes += this.#evictableBytes(bundle);
      bundle.admitted = true;
      if (sizes !== null) this.#quota.take(bundle.key, sizes, bundle.depth);
      if (bundle.missing.size === 0) complete.push(bundle);
      this.#candidates.delete(bundle);
      this.#unpinned.delete(bundle);
      this.#admitted.add(bundle);
      if (bundle.pins) pinAll(bundle, effects);
      for (const pull of bundle.missing.values()) {
        if (pull.state === "located") actions.reserve(pull, reserves);
      }
    }
    // Last, because they evict: not what was pinned a moment ago.
    effects.push(...reserves);
    for (const bundle of complete) actions.finish(bundle, effects);
  }

  #isHere(bundle: Bundle): boolean {
    for (const id of bundle.here.keys()) if (!this.#room.isHere(id)) return false;
    return true;
  }

  #sizesOf(bundle: Bundle): Sizes {
    const sizes = new Map<ObjectId, number>();
    for (const id of bundle.here.keys()) sizes.set(id, this.#room.bytesOf(id));
    for (const pull of bundle.missing.values()) sizes.set(pull.id, storeBytes(pull));
    return sizes;
  }

  /** Of what it has here, the bytes that could be evicted as long as it does not pin them. */
  #evictableBytes(bundle: Bundle): number {
    let bytes = 0;
    if (bundle.pins) { for (const id of bundle.here.keys()) bytes += this.#room.evictableBytes(id); }
    return bytes;
  }

  /** Sets back the least urgent, latest bundle that is less urgent than `bundle`. False when there is none. */
  #setBackFor(bundle: Bundle, effects: PullEffect[], actions: AdmissionActions): boolean {
    let victim: Bundle | null = null;
    for (const other of this.#admitted) {
      if (URGENCY[other.purpose] <= URGENCY[bundle.purpose]) continue;
      if (
        victim === null || URGENCY[other.purpose] > URGENCY[victim.purpose] ||
        (other.purpose === victim.purpose && other.sequence > victim.sequence)
      ) victim = other;
    }
    if (victim === null) return false;
    victim.admitted = false;
    this.#quota.release(victim.key);
    this.#admitted.delete(victim);
    if (victim.pins) {
      unpinAll(victim, effects);
      this.#unpinned.add(victim);
    }
    for (const pull of victim.missing.values()) actions.setBack(pull, effects);
    this.noteLocated(victim);
    return true;
  }

  check(bundles: Iterable<Bundle>): void {
    for (const bundle of bundles) {
      assert(bundle.admitted === this.#admitted.has(bundle), `${bundle.key} is known to be admitted`);
      assert(
        this.#unpinned.has(bundle) === (bundle.pins && !bundle.admitted),
        `${bundle.key} is known not to pin`,
      );
      assert(
        this.#candidates.has(bundle) === (bundle.fetch && !bundle.admitted && isLocated(bundle)),
        `${bundle.key} may be admitted exactly if all it misses is located`,
      );
    }
    this.#quota.check();
    assert(
      this.#candidates.size === 0 || this.#admitted.size > 0 || this.#quota.isUsed,
      "nobody waits for room while nobody has any",
    );
  }
}

function pinAll(bundle: Bundle, effects: PullEffect[]): void {
  for (const id of bundle.here.keys()) effects.push({ type: "pin", key: bundle.key, id });
}

export function unpinAll(bundle: Bundle, effects: PullEffect[]): void {
  for (const id of bundle.here.keys()) effects.push({ type: "unpin", key: bundle.key, id });
}
