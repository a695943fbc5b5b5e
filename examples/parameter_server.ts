/**
 * Trains a neural network with a parameter server: workers compute gradients, each at its own pace, and one actor holds the
 * weights. One worker is killed on the way; the result is as good as without.
 *
 *     bun examples/parameter_server.ts [--steps 1600] [--workers 4] [--seed 1] [--out FOLDER]
 *     deno run -A examples/parameter_server.ts
 *     node examples/parameter_server.ts
 *
 * The network learns to read 10,000 drawn digits, and is tested with 2,000 others. What to look at:
 *
 * - Tasks draw the digits; each worker's shard goes into the object store once, and both runs read it from there.
 * - Workers never wait for each other: each pushes a gradient and is handed the newest weights in the same call.
 * - The server streams the weights now and then; this program tests them while training goes on.
 * - A killed worker starts again (`maxRestarts`) with its shard, and its interrupted call runs again (`maxTaskRetries`).
 *
 * It trains twice, undisturbed and with the kill, writes both curves to an SVG in FOLDER, and fails unless both are equally
 * good. It runs on an embedded cluster, or on the one that MOBULA_ADDRESS names.
 * @module
 */
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import { get, type HandleOf, init, kill, type ObjectRef, ready, remote, runtimeContext } from "mobula";
import { CLASSES, type Digits, drawDigits, PIXELS } from "./support/digits.ts";
import { writeLineChart } from "./support/line_chart.ts";
import { Adam, Network, newWeights, weightCount } from "./support/network.ts";
import { seededRandom } from "./support/random.ts";

const SHAPE = { inputs: PIXELS, hidden: 48, outputs: CLASSES };
const TRAINING_DIGITS = 10_000;
const TEST_DIGITS = 2_000;
const BATCH = 32;
const LEARNING_RATE = 0.003;
/** How often the weights are tested in one run. */
const TESTS = 20;
/** What a network must read right after all steps, and by how much the disturbed run may differ. */
const ACCURACY_MIN = 0.85;
const DIFFERENCE_MAX = 0.02;

/** The newest weights, and how many gradients they have seen. */
interface Weights {
  readonly step: number;
  readonly values: Float32Array;
}

const ParameterServer = remote(
  class ParameterServer {
    readonly #values: Float32Array;
    readonly #optimizer = new Adam(weightCount(SHAPE), LEARNING_RATE);
    readonly #steps: number;
    #step = 0;
    #staleness = 0;
    #stepped = Promise.withResolvers<void>();

    constructor(steps: number, seed: number) {
      this.#steps = steps;
      this.#values = newWeights(SHAPE, seed);
    }

    /** The weights to work with; null when training is over. */
    pull(): Weights | null {
      return this.#step < this.#steps ? { step: this.#step, values: this.#values } : null;
    }

    /** Takes a gradient, computed from the weights of some step, and gives the weights to go on with. */
    push(gradient: Float32Array, computedAt: number): Weights | null {
      if (this.#step === this.#steps) return null;
      this.#optimizer.step(this.#values, gradient, 1 - this.#step / this.#steps);
      this.#staleness += this.#step++ - computedAt;
      this.#stepped.resolve();
      this.#stepped = Promise.withResolvers();
      return this.pull();
    }

    /** The weights after every `every` steps, as training goes on. */
    async *snapshots(every: number): AsyncGenerator<Weights> {
      for (let next = 0; next <= this.#steps; next += every) {
        await this.reached(next);
        yield { step: this.#step, values: this.#values.slice() };
      }
    }

    /** Resolves when so many gradients have been taken. */
    async reached(step: number): Promise<void> {
      while (this.#step < step) await this.#stepped.promise;
    }

    /** How many steps the weights had moved on, on average, when a gradient arrived. */
    meanStaleness(): number {
      return this.#staleness / this.#step;
    }
  },
  // A slot each for the stream and for who waits for a step, one for all the others.
  { maxConcurrency: 3 },
);

const GradientWorker = remote(
  class GradientWorker {
    readonly #digits: Digits;
    readonly #seed: number;

    constructor(digits: Digits, seed: number) {
      this.#digits = digits;
      this.#seed = seed;
    }

    /** Computes gradients until the server wants no more. */
    async train(
      server: HandleOf<typeof ParameterServer>,
    ): Promise<{ gradients: number; restarted: boolean }> {
      if (runtimeContext().wasReconstructed) console.error("a worker is back, and goes on");
      let gradients = 0;
      let weights = await get(server.pull.remote());
      while (weights !== null) {
        const gradient = this.#gradient(weights);
        weights = await get(server.push.remote(gradient, weights.step));
        gradients++;
      }
      return { gradients, restarted: runtimeContext().wasReconstructed };
    }

    /** The mean gradient of the loss (cross entropy) over some digits of the shard. */
    #gradient({ values, step }: Weights): Float32Array {
      const network = new Network(SHAPE, values);
      const gradient = new Float32Array(values.length);
      const random = seededRandom(this.#seed, step);
      for (let i = 0; i < BATCH; i++) {
        const at = Math.floor(random() * this.#digits.labels.length);
        const picture = pictureOf(this.#digits, at);
        const slopes = network.predict(picture).map((probability) => probability / BATCH);
        slopes[this.#digits.labels[at]!]! -= 1 / BATCH;
        network.addGradient(picture, slopes, gradient);
      }
      return gradient;
    }
  },
  { maxRestarts: 1, maxTaskRetries: 1 },
);

function pictureOf({ pixels }: Digits, at: number): Float32Array {
  return pixels.subarray(at * PIXELS, (at + 1) * PIXELS);
}

/** Mean loss over all digits, and the share that is read right. */
function testNetwork(values: Float32Array, digits: Digits): { loss: number; accuracy: number } {
  const network = new Network(SHAPE, values);
  let [loss, right] = [0, 0];
  digits.labels.forEach((label, at) => {
    const probabilities = network.predict(pictureOf(digits, at));
    loss -= Math.log(Math.max(probabilities[label]!, 1e-9));
    if (probabilities.every((probability) => probability <= probabilities[label]!)) right++;
  });
  return { loss: loss / digits.labels.length, accuracy: right / digits.labels.length };
}

const { values: flags } = parseArgs({
  options: {
    steps: { type: "string", default: "1600" },
    workers: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: tmpdir() },
  },
});
const [steps, workerCount, seed] = [Number(flags.steps), Number(flags.workers), Number(flags.seed)];
if (![steps, workerCount, seed].every(Number.isSafeInteger) || steps < TESTS || workerCount < 1) {
  console.error(`parameter_server: whole numbers, please; --steps at least ${TESTS}, --workers at least 1`);
  process.exit(2);
}

await using cluster = await init();
console.error(`cluster ${cluster.address}, dashboard ${cluster.dashboardUrl ?? "off"}`);

const draw = remote(drawDigits, { name: "drawDigits" });
const shards = Array.from(
  { length: workerCount },
  (_, n) => draw.remote(seed * 1000 + n, Math.ceil(TRAINING_DIGITS / workerCount)),
);
const testDigits = await get(draw.remote(seed * 1000 + 999, TEST_DIGITS));

const undisturbed = await train("undisturbed", shards, null);
const killAt = Math.floor(TESTS / 3) * Math.floor(steps / TESTS);
const disturbed = await train("one worker killed", shards, killAt);

const path = await writeLineChart(flags.out, "parameter_server.svg", {
  title: "Reading digits: loss on those never seen in training",
  xLabel: `gradients of ${BATCH} digits that the server has taken`,
  yLabel: "loss",
  lines: [undisturbed, disturbed],
  marks: [{ x: killAt, label: "worker killed" }],
});
console.log(`loss curves: ${path}`);
const difference = Math.abs(undisturbed.accuracy - disturbed.accuracy);
const good = Math.min(undisturbed.accuracy, disturbed.accuracy) >= ACCURACY_MIN &&
  difference <= DIFFERENCE_MAX && disturbed.restarted;
console.log(good ? "the same quality, with a worker killed and without" : "NOT THE SAME QUALITY");
if (!good) process.exitCode = 1;

interface Run {
  readonly name: string;
  readonly points: [step: number, loss: number][];
  readonly accuracy: number;
  /** Whether a worker started again and went on. */
  readonly restarted: boolean;
}

/** Trains a network from the beginning. `killAt`: the step at which the first worker is killed. */
async function train(name: string, shards: ObjectRef<Digits>[], killAt: number | null): Promise<Run> {
  console.error(`\n${name}:`);
  const startMs = performance.now();
  using server = ParameterServer.remote(steps, seed);
  const workers = shards.map((shard, n) => GradientWorker.remote(shard, seed * 1000 + n));
  // All begin together: on a busy machine some would be through before the last one is there.
  await Promise.all(workers.map((worker) => ready(worker)));
  // The curve's first point are the weights that have seen nothing.
  const snapshots = server.snapshots.remote(Math.floor(steps / TESTS)).values();
  const untrained = await snapshots.next();
  const training = workers.map((worker) => worker.train.remote(server));

  const killed = killAt === null ? null : killOne(server, workers[0]!, killAt);
  const points: [number, number][] = [];
  let accuracy = 0;
  for (let item = untrained; !item.done; item = await snapshots.next()) {
    const { step, values } = item.value;
    const tested = testNetwork(values, testDigits);
    points.push([step, tested.loss]);
    accuracy = tested.accuracy;
    console.error(
      `  ${String(step).padStart(6)} gradients  loss ${tested.loss.toFixed(3)}  reads ${percent(accuracy)}`,
    );
  }
  await killed;

  const reports = await get(training);
  const staleness = await get(server.meanStaleness.remote());
  const seconds = (performance.now() - startMs) / 1000;
  const by = reports.map(({ gradients, restarted }) =>
    `${gradients}${restarted ? " after its restart" : ""}`
  );
  console.log(
    `${name}: reads ${percent(accuracy)} of ${TEST_DIGITS} digits right; gradients by worker: ${
      by.join(", ")
    }; ` + `weights had moved on ${staleness.toFixed(1)} steps; ${seconds.toFixed(1)} s`,
  );
  workers.forEach((worker) => worker[Symbol.dispose]());
  return {
    name,
    points,
    accuracy,
    restarted: reports.some((report) => report.restarted),
  };
}

/** Kills a worker's process at this step. It has a restart, and takes it. */
async function killOne(
  server: HandleOf<typeof ParameterServer>,
  worker: HandleOf<typeof GradientWorker>,
  step: number,
): Promise<void> {
  await get(server.reached.remote(step));
  await kill(worker, { noRestart: false });
  console.error("         worker 0 is killed");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
