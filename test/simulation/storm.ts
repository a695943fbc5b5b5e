/**
 * What goes wrong in a simulated cluster, drawn from the seed: processes and machines die (loudly or silently) and come
 * back, the head dies, stands still, links are cut, connections break.
 * @module
 */
import type { NodeId } from "../../runtime/common/ids.ts";
import { type ResourceSet, toUnits } from "../../runtime/common/resources.ts";
import { SimAgent } from "./sim_agent.ts";
import type { SimWorld } from "./sim_world.ts";

/** Faults stop after this long. */
export const STORM_MS: number = 16_000;

/** Of the runs with faults, in percent: those in which a node dies that holds refs of others. */
const AIMED = 40;

export class Storm {
  readonly #world: SimWorld;
  /** Nodes that are there, or will be again. */
  readonly #nodes: NodeId[];
  readonly #cpus: Map<NodeId, number> = new Map();
  readonly #epochs: Map<NodeId, number> = new Map();

  constructor(world: SimWorld, nodes: readonly NodeId[]) {
    this.#world = world;
    this.#nodes = [...nodes];
    for (const nodeId of nodes) this.#cpus.set(nodeId, world.work.between(3, 5));
    world.head.start();
    for (const nodeId of nodes) world.loop.after(world.work.below(300), () => this.#startNode(nodeId));
  }

  /** `faults`: how many things go wrong in all; of these kinds only, when given (see #strike). */
  schedule(faults: number, kinds: readonly number[] | null = null): void {
    const { loop, faults: prng } = this.#world;
    for (let index = 0; index < faults; index++) {
      const kind = kinds === null ? prng.below(16) : prng.pick(kinds);
      loop.after(prng.between(500, STORM_MS - 500), () => this.#strike(kind));
    }
    if (faults > 0 && kinds === null && this.#world.sharing.chance(AIMED)) {
      loop.after(this.#world.sharing.between(1_000, 8_000), () => this.#killBorrower());
    }
    loop.after(STORM_MS, () => this.#calm());
  }

  #startNode(nodeId: NodeId): void {
    const { agents } = this.#world;
    if (agents.get(nodeId)?.host.alive || !this.#nodes.includes(nodeId)) return;
    const epoch = (this.#epochs.get(nodeId) ?? 0) + 1;
    this.#epochs.set(nodeId, epoch);
    const agent = new SimAgent(this.#world, {
      nodeId,
      epoch,
      resources: this.#resourcesOf(nodeId),
      labels: { zone: isKeeper(nodeId) || nodeId.endsWith("3") ? "a" : "b" },
      onFenced: (fenced) => this.#killNode(fenced, 0, 500),
    });
    agents.set(nodeId, agent);
  }

  #resourcesOf(nodeId: NodeId): ResourceSet {
    const scarce = isKeeper(nodeId) || nodeId.endsWith("5") ? { GPU: 2, slot: 1 } : {};
    return toUnits({ CPU: this.#cpus.get(nodeId)!, ...scarce });
  }

  #killNode(agent: SimAgent, silentMs: number, downMs: number): void {
    // One that is lost for good is not in the list any more.
    if (!agent.host.alive || this.#world.agents.get(agent.nodeId) !== agent) return;
    this.#world.disturbed(agent.nodeId, "fatal", agent.config.epoch);
    agent.die(silentMs);
    this.#world.loop.after(downMs, () => this.#startNode(agent.nodeId));
  }

  /** A node dies while it holds refs to what others are the homes of, as soon as there is one: chance alone seldom hits that. */
  #killBorrower(): void {
    const { agents, sharing, loop, stormy } = this.#world;
    if (!stormy) return;
    const borrowers = [...agents.values()].filter(({ host, store }) =>
      host.alive && store.references.isBorrower
    );
    if (borrowers.length === 0) return loop.after(100, () => this.#killBorrower());
    const agent = sharing.pick(borrowers);
    loop.trace("storm", "aimed", () => agent.nodeId);
    this.#killNode(agent, sharing.pick([0, 10_000]), sharing.between(200, 12_000));
  }

  /** The machine is gone for good; the last two stay. */
  #loseNode(agent: SimAgent): void {
    if (this.#nodes.length <= 2 || isKeeper(agent.nodeId)) return;
    this.#world.disturbed(agent.nodeId, "fatal", agent.config.epoch);
    this.#nodes.splice(this.#nodes.indexOf(agent.nodeId), 1);
    this.#world.agents.delete(agent.nodeId);
    agent.die(10_000);
  }

  #strike(kind: number): void {
    const { faults: prng, head, network, loop } = this.#world;
    const agent = this.#world.agents.get(prng.pick(this.#nodes));
    loop.trace("storm", `fault ${kind}`, () => agent?.nodeId ?? "");
    if (kind <= 1) this.#world.disturbed("head", "harmless");
    if (kind === 0) {
      const restart = (): void => loop.after(prng.between(100, 3_000), () => this.#startHead());
      if (prng.chance(60)) return head.crashAfterWrite(restart);
      head.crash();
      return restart();
    }
    if (kind === 1) return head.pause(prng.between(500, 8_000));
    if (kind <= 3) return network.resetOne();
    if (agent === undefined || !agent.host.alive) return;
    switch (kind) {
      case 4:
        return this.#killNode(agent, 0, prng.between(200, 4_000));
      case 5:
        return this.#killNode(agent, 10_000, prng.between(1_000, 12_000));
      case 6:
      case 7:
        return this.#cut(agent.nodeId, kind === 6 ? "head" : prng.pick(this.#nodes));
      case 8: {
        const drivers = [...agent.drivers.values()];
        if (drivers.length > 0 && prng.chance(50)) prng.pick(drivers).kill();
        return;
      }
      case 9:
        this.#world.disturbed(agent.nodeId, "harmless");
        agent.host.pausedUntilMs = loop.nowMs + prng.between(500, 5_000);
        return;
      case 10: {
        const { nodeId, config } = agent;
        this.#world.disturbed(nodeId, "fatal", config.epoch);
        agent.link.request(
          { type: "unregisterNode", nodeId, epoch: config.epoch, reason: "it left" },
          () => this.#killNode(agent, 0, prng.between(500, 3_000)),
        );
        return;
      }
      case 11:
        return this.#loseNode(agent);
      case 12:
      case 13: {
        return this.#crashActor();
      }
      case 14:
        return agent.lowMemory();
      default: {
        const worker = agent.randomWorker();
        if (worker !== null) agent.crashWorker(worker);
      }
    }
  }

  /** One after the other, or the same again and again until it has no restart left. */
  #crashActor(): void {
    const { faults: prng, workers } = this.#world;
    const hosts = [...workers.values()].filter((worker) => worker.actor !== null && worker.agent.host.alive);
    if (hosts.length === 0) return;
    hosts.sort((a, b) => b.actor!.incarnation - a.actor!.incarnation);
    const worker = prng.chance(60) ? hosts[0]! : prng.pick(hosts);
    worker.agent.crashWorker(worker);
  }

  #startHead(): void {
    if (!this.#world.head.isUp) this.#world.head.start();
  }

  #cut(a: string, b: string): void {
    if (a === b) return;
    const { faults: prng, network, loop } = this.#world;
    for (const nodeId of this.#nodes) {
      if (nodeId === a || nodeId === b) this.#world.disturbed(nodeId, "fatal");
    }
    network.cut(a, b, prng.between(3_000, 6_000));
    loop.after(prng.between(300, 12_000), () => network.heal(a, b));
  }

  #calm(): void {
    const { network } = this.#world;
    this.#world.stormy = false;
    network.lossy = false;
    network.healAll();
    this.#startHead();
  }
}

/** It has what is scarce, and is never lost for good. */
function isKeeper(nodeId: NodeId): boolean {
  return nodeId === "n-1";
}
