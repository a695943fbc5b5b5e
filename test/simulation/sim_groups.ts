/**
 * The placement groups of one simulated driver: created, perhaps given work and actors, and removed again in time, so that
 * what they hold comes back.
 * @module
 */
import { type GroupId, groupId } from "../../runtime/common/ids.ts";
import type { GroupSpec, PlacementStrategy } from "../../runtime/common/placement_group.ts";
import { toUnits } from "../../runtime/common/resources.ts";
import type { GroupOutcome, GroupOutcomes } from "../../runtime/protocol/group_messages.ts";
import type { TaskPlan } from "./plan.ts";
import type { SimDriver } from "./sim_driver.ts";
import type { SimWorld } from "./sim_world.ts";

/** After its creation a group is removed within this time: what it holds is nobody else's meanwhile. */
const LIFE_MS = 9_000;

export class SimGroups {
  readonly #world: SimWorld;
  readonly #driver: SimDriver;
  /** Groups that the head has acknowledged and that were not removed. */
  readonly #live: Map<GroupId, GroupSpec> = new Map();
  #open: number = 0;

  constructor(world: SimWorld, driver: SimDriver) {
    this.#world = world;
    this.#driver = driver;
  }

  /** Requests without an answer, and groups that are still to be removed. */
  get openCount(): number {
    return this.#open + this.#live.size;
  }

  /** One or two, in one message. */
  create(): void {
    const { work } = this.#world;
    const specs = Array.from({ length: work.between(1, 2) }, () => this.#spec());
    const wishes = specs.map((spec) => ({ type: "createGroup", spec }) as const);
    this.#open++;
    this.#driver.agent.link.request({ type: "groupWishes", wishes }, (answer) => {
      this.#open--;
      const { outcomes } = answer.ok
        ? answer.result as unknown as GroupOutcomes
        : { outcomes: specs.map(() => answer) };
      for (const [place, spec] of specs.entries()) this.#created(spec, outcomes[place] ?? null);
    });
  }

  #spec(): GroupSpec {
    const { work } = this.#world;
    const { id: owner, agent, jobId } = this.#driver;
    const strategy = work.pick<PlacementStrategy>(["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"]);
    return {
      groupId: groupId(this.#world.randomId()),
      jobId: jobId!,
      owner,
      ownerNode: agent.nodeId,
      name: "",
      namespace: "shared",
      detached: false,
      byDetachedActor: false,
      strategy,
      bundles: Array.from({ length: work.between(1, 3) }, () => toUnits({ CPU: work.pick([0.5, 1]) })),
    };
  }

  #created(spec: GroupSpec, outcome: GroupOutcome | null): void {
    const { work, loop, head } = this.#world;
    if (outcome === null) return this.#world.fail(`${spec.groupId} is neither created nor refused`);
    if ("code" in outcome) {
      // The head ended the job, and its driver has not heard of it.
      if (head.gcs?.jobs.isRunning(spec.jobId) !== true) return;
      return this.#world.fail(`${spec.groupId} is refused with ${outcome.code}: ${outcome.message}`);
    }
    this.#live.set(spec.groupId, spec);
    loop.after(work.between(500, LIFE_MS), () => this.#remove(spec.groupId));
  }

  /** Tasks for the groups that are there now; they fail with their group. */
  plans(): TaskPlan[] {
    const { work } = this.#world;
    const plans: TaskPlan[] = [];
    for (const { groupId, bundles } of this.#live.values()) {
      for (let index = work.below(3); index >= 0; index--) {
        const bundleIndex = work.between(-1, bundles.length - 1);
        const resources = toUnits({ CPU: 0.5 });
        const strategy = { type: "group", groupId, bundleIndex, capture: false } as const;
        plans.push({
          durationMs: work.between(1, 400),
          outputBytes: 0,
          children: [],
          args: [],
          borrows: false,
          shape: {
            key: JSON.stringify([resources, strategy]),
            resources,
            strategy,
            runtimeEnv: { hash: "" },
          },
          retries: work.pick([0, 3]),
        });
      }
    }
    return plans;
  }

  #remove(groupId: GroupId): void {
    if (!this.#driver.isAlive) return;
    this.#open++;
    this.#driver.agent.link.request(
      { type: "groupWishes", wishes: [{ type: "removeGroup", groupId }] },
      () => {
        this.#open--;
        this.#live.delete(groupId);
      },
    );
  }
}
