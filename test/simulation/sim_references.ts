/**
 * Reference counting on a simulated node: the real machine, its batches to other homes, and frees for the head.
 * @module
 */
import type { NodeId, ObjectId } from "../../runtime/common/ids.ts";
import { References } from "../../runtime/core/object/references.ts";
import type {
  CountedFacts,
  CountedId,
  ReferencesEffect,
  ReferencesEvent,
} from "../../runtime/core/object/references_types.ts";
import { checkFreed } from "./checkers/references.ts";
import type { SimAgent } from "./sim_agent.ts";
import type { SimWorld } from "./sim_world.ts";

/** A home that cannot be told is tried again after this long, until it is dead. */
const RETRY_MS = 200;

type Batch = Extract<ReferencesEffect, { type: "send" }>;

export class SimReferences {
  readonly #world: SimWorld;
  readonly #agent: SimAgent;
  readonly #references: References;
  readonly #deleteHere: (ids: readonly ObjectId[]) => void;
  /** Homes that are being told something, and what they are told next. */
  readonly #sending: Map<NodeId, Batch[]> = new Map();
  readonly #flushes: Map<string, () => void> = new Map();
  #flushCount: number = 0;

  constructor(world: SimWorld, agent: SimAgent, deleteHere: (ids: readonly ObjectId[]) => void) {
    this.#world = world;
    this.#agent = agent;
    this.#references = new References(agent.nodeId);
    this.#deleteHere = deleteHere;
  }

  get countedSize(): number {
    return this.#references.countedSize;
  }

  /** All that is counted here. */
  counted(): Iterable<CountedFacts> {
    return this.#references.counted();
  }

  /** A process of this node holds it, or an object that is stored here contains it. */
  holds(id: CountedId): boolean {
    return (this.#references.describe(id)?.holders.length ?? 0) > 0;
  }

  /** Something of another home is held here. */
  get isBorrower(): boolean {
    for (const { home, holders } of this.counted()) {
      if (home !== this.#agent.nodeId && holders.size > 0) return true;
    }
    return false;
  }

  /** Other nodes that hold it, as its home knows. */
  holdersOf(id: CountedId): readonly NodeId[] {
    return this.#references.describe(id)?.nodes ?? [];
  }

  madeAt(id: ObjectId): NodeId | undefined {
    return this.#references.madeAt(id);
  }

  step(event: ReferencesEvent): void {
    if (!this.#agent.host.alive) return;
    const effects = this.#references.step(this.#world.loop.nowMs, event);
    const types = (): string => effects.map((effect) => effect.type).join(",");
    this.#world.loop.trace(
      this.#agent.nodeId,
      `refs ${event.type} -> ${types()}`,
      () => ({ event, effects }),
    );
    for (const effect of effects) {
      switch (effect.type) {
        case "send":
          this.#send(effect);
          break;
        case "freeObjects":
          checkFreed(this.#world, this.#agent, effect.ids);
          this.#deleteHere(effect.ids);
          this.#agent.link.request({ type: "freeObjects", ids: [...effect.ids] }, () => undefined);
          break;
        case "stranded": {
          const { node: at, ids } = effect;
          this.#agent.link.request({ type: "objectsMadeAt", at, ids: [...ids] }, () => undefined);
          break;
        }
        case "freeActor":
          break;
        case "flushed":
          this.#flushes.get(effect.flushId)?.();
          this.#flushes.delete(effect.flushId);
          break;
        default:
          effect satisfies never;
      }
    }
  }

  /** Calls back when every change so far has reached its home. */
  flush(done: () => void): void {
    const flushId = `f${++this.#flushCount}`;
    this.#flushes.set(flushId, done);
    this.step({ type: "flush", flushId });
  }

  nodeDied(node: NodeId): void {
    this.step({ type: "nodeDied", node });
  }

  check(): void {
    this.#references.check();
  }

  /** One batch after the other, also when the home died in between and is there again. */
  #send(batch: Batch): void {
    const waiting = this.#sending.get(batch.home);
    if (waiting !== undefined) return void waiting.push(batch);
    this.#sending.set(batch.home, []);
    this.#tell(batch);
  }

  /** Until it is counted or the home is dead. */
  #tell(batch: Batch): void {
    const { home, changes } = batch;
    this.#agent.peers.sendReferences(home, changes, (counted) => {
      if (!this.#agent.host.alive) return;
      if (counted || !this.#agent.peers.isAlive(home)) return this.#told(batch);
      this.#world.loop.after(RETRY_MS, () => {
        if (this.#agent.host.alive) this.#tell(batch);
      });
    });
  }

  #told({ home, batchId }: Batch): void {
    this.step({ type: "delivered", batchId });
    const next = this.#sending.get(home)!.shift();
    if (next === undefined) this.#sending.delete(home);
    else this.#tell(next);
  }
}
