/**
 * One simulated run: a cluster, its work and its faults from one seed, checked while it runs and after it has come to rest.
 * @module
 */
import { nodeId } from "../../runtime/common/ids.ts";
import { checkActorsTrue, checkIncarnations, checkRestarts } from "./checkers/actors.ts";
import { checkGroupsGone, checkGroupsWhole } from "./checkers/groups.ts";
import { checkLeases, checkLeasesReturned } from "./checkers/leases.ts";
import { describeUnrest, isQuiet } from "./checkers/liveness.ts";
import { checkCounts } from "./checkers/counts.ts";
import { checkDirectory } from "./checkers/objects.ts";
import { checkNothingLeft } from "./checkers/references.ts";
import type { TraceMode } from "./event_loop.ts";
import { broadcastTasks, drawTasks } from "./plan.ts";
import { SimDriver } from "./sim_driver.ts";
import { SimulationFailure, SimWorld } from "./sim_world.ts";
import { Storm, STORM_MS } from "./storm.ts";

/** Everything must be over this long after the faults have stopped. */
const CALM_MS = 120_000;
/** A cluster that was quiet for so long is at rest. */
const QUIET_MS = 5_000;
/** The machines' own checks run every so many steps of the head. */
const CHECK_EVERY = 24;
/** Of the drivers, in percent: those that want one object at every node. */
const BROADCASTS = 30;

export interface RunResult {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly elapsedMs: number;
  readonly finished: number;
  readonly failed: number;
  /** Nodes that were declared dead and are remembered as such. */
  readonly nodesDead: number;
  /** From the end of the faults until the cluster is at rest. */
  readonly restMs: number;
}

export interface RunOptions {
  readonly mode?: TraceMode;
  /** Only faults of these kinds (storm.ts), ten of them. */
  readonly kinds?: readonly number[];
  /** How large it is, instead of a few nodes. */
  readonly size?: ClusterSize;
}

export interface ClusterSize {
  readonly nodes: number;
  readonly drivers: number;
  /** Tasks of each driver, without their children. */
  readonly tasks: number;
  readonly faults: number;
}

/** Runs one seed. Throws SimulationFailure, with the command that replays it, when a promise or an invariant is broken. */
export function runSimulation(seed: number, options: RunOptions = {}): RunResult {
  try {
    return run(seed, options);
  } catch (error) {
    const replay = `bun test/simulation/replay.ts ${seed}`;
    throw new SimulationFailure(`seed ${seed}: ${(error as Error).message}\nreplay: ${replay}`, {
      cause: error,
    });
  }
}

function run(seed: number, options: RunOptions): RunResult {
  const world = new SimWorld(seed, options.mode ?? "short");
  const { work, loop, faults } = world;
  const { size } = options;
  const nodes = Array.from(
    { length: size?.nodes ?? work.between(2, 5) },
    (_, index) => nodeId(`${index + 1}`),
  );
  const storm = new Storm(world, nodes);
  checkRestarts(world);
  checkLeases(world);
  let steps = 0;
  // A check looks at everything: the larger the cluster, the rarer.
  const checkEvery = CHECK_EVERY * Math.ceil(nodes.length / 5);
  world.head.onStep = () => {
    if (++steps % checkEvery !== 0) return;
    world.head.gcs?.check();
    checkIncarnations(world);
    checkGroupsWhole(world);
  };
  const drivers = size?.drivers ?? work.between(1, 3);
  for (let index = 0; index < drivers; index++) {
    const home = work.pick(nodes);
    const tasks = drawTasks(work, size?.tasks ?? work.between(5, 30), 0, nodes);
    if (size === undefined && world.sharing.chance(BROADCASTS)) {
      tasks.push(...broadcastTasks(tasks.length, nodes));
    }
    const plan = { tasks, actors: work.below(5), leaves: work.chance(40) };
    startDriver(world, home, plan, 400 + work.below(6_000));
  }
  // Some seeds see much, some little: a calm run must be right too.
  const count = faults.pick([0, 1, 3, 6, 10, 15]);
  const strikes = options.kinds === undefined ? size?.faults ?? count : 10;
  storm.schedule(strikes, options.kinds ?? null);
  loop.runUntil(STORM_MS);
  // What is still on its way (reports, commits, stops, delayed restarts) arrives while it stays quiet.
  for (let quietMs = 0; quietMs < QUIET_MS; quietMs = isQuiet(world) ? quietMs + 500 : 0) {
    if (loop.elapsedMs > STORM_MS + CALM_MS) {
      world.fail(`it does not come to rest:\n${describeUnrest(world)}`);
    }
    loop.runUntil(loop.elapsedMs + 500);
  }
  world.head.gcs!.check();
  checkIncarnations(world);
  checkLeasesReturned(world);
  checkActorsTrue(world);
  checkGroupsGone(world);
  checkDirectory(world);
  checkNothingLeft(world);
  checkCounts(world);
  const outcomes = world.drivers.flatMap((driver) => driver.isAlive ? driver.submitter?.outcomes ?? [] : []);
  const countOf = (state: string): number => outcomes.filter((outcome) => outcome === state).length;
  return {
    seed,
    hash: loop.hash,
    steps: loop.steps,
    elapsedMs: loop.elapsedMs,
    finished: countOf("finished"),
    failed: countOf("failed"),
    restMs: loop.elapsedMs - STORM_MS,
    nodesDead: world.head.gcs!.nodes.rows().filter((row) => row.state === "DEAD").length,
  };
}

/** Starts a driver on a node; later when the node is down. */
function startDriver(
  world: SimWorld,
  home: ReturnType<typeof nodeId>,
  plan: SimDriver["plan"],
  afterMs: number,
): void {
  world.loop.after(afterMs, () => {
    const agent = world.agents.get(home);
    if (agent?.host.alive && agent.link.isUp) world.drivers.push(new SimDriver(world, agent, plan));
    else if (world.loop.elapsedMs < STORM_MS + 10_000) startDriver(world, home, plan, 1_000);
  });
}
