/**
 * Teaches a policy to sort letters by reward alone, in the way that language models are trained by reinforcement: a single
 * controller drives groups of actors (veRL's style), and the policy writes its answers token by token.
 *
 *     bun examples/rl_controller.ts [--letters 5] [--steps 300] [--seed 1] [--out FOLDER] [--stay]
 *     deno run -A examples/rl_controller.ts
 *     node examples/rl_controller.ts
 *
 * One step is `trainStep`, readable from top to bottom: prompts -> rollouts -> rewards -> advantages -> gradients -> update.
 * What to look at:
 *
 * - Rollout workers, reward workers and trainers are groups of actors, each group in a placement group of its own.
 * - The weights are put into the object store once per step; every rollout worker reads that one object.
 * - This program passes references along; rollouts and gradients go from worker to worker. It sees rewards only.
 * - A batch is scored, and its gradient computed, while the other batches are still being written.
 *
 * The method is GRPO's: several answers to each prompt, and each answer's advantage is how much better it is than the others.
 * The reward curve is written to an SVG in FOLDER. At the end, the policy sorts words that it was never trained on; the
 * program fails unless 9 of 10 are right. One seed gives one result. It runs on an embedded cluster, or on the one that
 * MOBULA_ADDRESS names. `--stay` keeps the actors until Enter is pressed: look at them in the dashboard.
 * @module
 */
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";
import {
  type ActorHandle,
  type ActorOptions,
  get,
  type HandleOf,
  init,
  type ObjectRef,
  placementGroup,
  put,
  remote,
} from "mobula";
import {
  ALPHABET,
  isHeldOut,
  isTrainedOn,
  Policy,
  randomWords,
  shapeOf,
  sortedWord,
} from "./support/letters.ts";
import { writeLineChart } from "./support/line_chart.ts";
import { Adam, newWeights, weightCount } from "./support/network.ts";
import { pick, seededRandom } from "./support/random.ts";
import { stayUntilEnter } from "./support/stay.ts";

const LEARNING_RATE = 0.02;
/** How much it is worth to keep trying different letters: without it, a habit that is half right is never left. */
const CURIOSITY = 0.03;
/** A step's prompts: so many batches of so many, with so many answers to each. */
const [BATCHES, BATCH, ANSWERS] = [4, 18, 8];
/** CPUs of each actor: all of them together fit on a machine with two. */
const CPU_SHARE = 0.4;
const HELD_OUT_WORDS = 500;
const SORTED_MIN = 0.9;

/** Answers to prompts, `ANSWERS` to each in a row. */
interface Rollouts {
  readonly prompts: readonly string[];
  readonly answers: readonly string[];
}

/** Writes answers with the weights that it is given. */
const RolloutWorker = remote(
  class RolloutWorker {
    /** Tries things out: each letter is drawn by its probability. */
    generate(weights: Float32Array, prompts: readonly string[], ...seeds: number[]): Rollouts {
      const policy = new Policy(prompts[0]!.length, weights);
      const random = seededRandom(...seeds);
      const answers = prompts.flatMap((prompt) =>
        Array.from({ length: ANSWERS }, () => policy.answer(prompt, (shares) => pick(shares, random)))
      );
      return { prompts, answers };
    }

    /** Gives its best: always the likeliest letter. */
    answer(weights: Float32Array, prompts: readonly string[]): string[] {
      const policy = new Policy(prompts[0]!.length, weights);
      return prompts.map((prompt) => policy.answer(prompt, (shares) => shares.indexOf(Math.max(...shares))));
    }
  },
);

/** Says how good answers are. Nobody else knows what the task is. */
const RewardWorker = remote(
  class RewardWorker {
    /** The share of the letters that are where they should be, answer by answer. */
    score({ prompts, answers }: Rollouts): Float32Array {
      return Float32Array.from(answers, (answer, i) => {
        const sorted = [...sortedWord(prompts[Math.floor(i / ANSWERS)]!)];
        return sorted.filter((letter, at) => letter === answer[at]).length / sorted.length;
      });
    }
  },
);

/** Has the weights. Several trainers share a step's gradients; each takes the same update and so has the same weights. */
const Trainer = remote(
  class Trainer {
    readonly #letters: number;
    readonly #steps: number;
    readonly #weights: Float32Array;
    readonly #optimizer: Adam;
    #step = 0;

    constructor(letters: number, steps: number, seed: number) {
      this.#letters = letters;
      this.#steps = steps;
      this.#weights = newWeights(shapeOf(letters), seed);
      this.#optimizer = new Adam(weightCount(shapeOf(letters)), LEARNING_RATE);
    }

    weights(): Float32Array {
      return this.#weights;
    }

    /** The policy gradient: makes answers of positive advantage likelier, others less so, and keeps the choice open. */
    gradient({ prompts, answers }: Rollouts, advantages: Float32Array): Float32Array {
      const policy = new Policy(this.#letters, this.#weights);
      const gradient = new Float32Array(this.#weights.length);
      answers.forEach((answer, i) => {
        for (let at = 0; at < answer.length; at++) {
          const input = policy.inputOf(prompts[Math.floor(i / ANSWERS)]!, answer.slice(0, at));
          const shares = policy.network.predict(input);
          const entropy = -shares.reduce((sum, share) => sum + share * Math.log(share + 1e-9), 0);
          const written = ALPHABET.indexOf(answer[at]!);
          const slopes = shares.map((share, letter) =>
            (share - Number(letter === written)) * advantages[i]! +
            CURIOSITY * share * (Math.log(share + 1e-9) + entropy)
          );
          policy.network.addGradient(input, slopes, gradient);
        }
      });
      const letters = answers.length * this.#letters;
      return gradient.map((slope) => slope / letters);
    }

    update(...gradients: Float32Array[]): void {
      const mean = gradients[0]!.map((_, i) =>
        gradients.reduce((sum, gradient) => sum + gradient[i]!, 0) / gradients.length
      );
      this.#optimizer.step(this.#weights, mean, 1 - this.#step++ / this.#steps);
    }
  },
);

interface Groups {
  readonly rollout: readonly HandleOf<typeof RolloutWorker>[];
  readonly reward: readonly HandleOf<typeof RewardWorker>[];
  readonly trainers: readonly HandleOf<typeof Trainer>[];
}

/** One step of training. Gives the mean reward of the answers that the policy tried. */
async function trainStep(groups: Groups, weights: ObjectRef<Float32Array>, step: number): Promise<number> {
  const batches = Array.from({ length: BATCHES }, async (_, n) => {
    const prompts = randomWords(letters, BATCH, isTrainedOn, seed, step, n);
    using rollouts = of(groups.rollout, n).generate.remote(weights, prompts, seed, step, n, 1);
    using scores = of(groups.reward, n).score.remote(rollouts);
    const rewards = await get(scores);
    const gradient = of(groups.trainers, n).gradient.remote(rollouts, advantagesOf(rewards));
    return { rewards, gradient };
  });
  const done = await Promise.all(batches);
  const gradients = done.map(({ gradient }) => gradient);
  await get(groups.trainers.map((trainer) => trainer.update.remote(...gradients)));
  gradients.forEach((gradient) => gradient.release());
  return mean(done.map(({ rewards }) => mean(rewards)));
}

/** How much better each answer is than the others to its prompt, in their deviations. */
function advantagesOf(rewards: Float32Array): Float32Array {
  const advantages = new Float32Array(rewards.length);
  for (let first = 0; first < rewards.length; first += ANSWERS) {
    const group = rewards.subarray(first, first + ANSWERS);
    const average = mean(group);
    const deviation = Math.sqrt(mean(group.map((reward) => (reward - average) ** 2)));
    if (deviation === 0) continue; // All alike: nothing to learn.
    group.forEach((reward, i) => advantages[first + i] = (reward - average) / deviation);
  }
  return advantages;
}

/** A group of actors, each in a bundle of its own. */
async function actorGroup<T>(
  count: number,
  strategy: "PACK" | "SPREAD",
  create: (inside: ActorOptions) => ActorHandle<T>,
): Promise<ActorHandle<T>[]> {
  const bundles = Array.from({ length: count }, () => ({ CPU: CPU_SHARE }));
  const group = await placementGroup(bundles, { strategy });
  if (!await group.wait(30_000)) throw new Error(`no room in the cluster for ${count} x ${CPU_SHARE} CPU`);
  return bundles.map((_, bundleIndex) =>
    create({ numCpus: CPU_SHARE, schedulingStrategy: { placementGroup: group, bundleIndex } })
  );
}

const { values: flags } = parseArgs({
  options: {
    letters: { type: "string", default: "5" },
    steps: { type: "string", default: "300" },
    seed: { type: "string", default: "1" },
    out: { type: "string", default: tmpdir() },
    stay: { type: "boolean", default: false },
  },
});
const [letters, steps, seed] = [Number(flags.letters), Number(flags.steps), Number(flags.seed)];
if (![letters, steps, seed].every(Number.isSafeInteger) || letters < 3 || letters > 8 || steps < 1) {
  console.error("rl_controller: --letters is 3 to 8, --steps at least 1, --seed a whole number");
  process.exit(2);
}

await using cluster = await init();
console.error(`cluster ${cluster.address}, dashboard ${cluster.dashboardUrl ?? "off"}`);
const groups: Groups = {
  rollout: await actorGroup(2, "SPREAD", (inside) => RolloutWorker.options(inside).remote()),
  reward: await actorGroup(1, "PACK", (inside) => RewardWorker.options(inside).remote()),
  trainers: await actorGroup(2, "PACK", (inside) => Trainer.options(inside).remote(letters, steps, seed)),
};

const startMs = performance.now();
const heldOut = randomWords(letters, HELD_OUT_WORDS, isHeldOut, seed);
const rewards: [step: number, reward: number][] = [];
const sorted: [step: number, share: number][] = [];
for (let step = 0; step <= steps; step++) {
  using weights = await put(await get(groups.trainers[0]!.weights.remote()));
  if (step === steps || step % Math.ceil(steps / 20) === 0) {
    const answers = await get(of(groups.rollout, step).answer.remote(weights, heldOut));
    sorted.push([step, mean(answers.map((answer, i) => Number(answer === sortedWord(heldOut[i]!))))]);
    const reward = rewards.at(-1)?.[1].toFixed(3) ?? "-";
    console.error(
      `  step ${String(step).padStart(4)}  reward ${reward}  sorts ${
        percent(sorted.at(-1)![1])
      } of unseen words`,
    );
    if (step === steps) answers.slice(0, 3).forEach((answer, i) => console.log(`${heldOut[i]} -> ${answer}`));
  }
  if (step < steps) rewards.push([step, await trainStep(groups, weights, step)]);
}

const path = await writeLineChart(flags.out, "rl_controller.svg", {
  title: `Learning to sort ${letters} letters by reward alone`,
  xLabel: `steps of ${BATCHES * BATCH * ANSWERS} answers`,
  yLabel: "share",
  lines: [{ name: "mean reward of answers", points: rewards }, {
    name: "unseen words sorted",
    points: sorted,
  }],
});
console.log(`reward curve: ${path}`);
const [before, after] = [sorted[0]![1], sorted.at(-1)![1]];
const seconds = (performance.now() - startMs) / 1000;
console.error(`${steps} steps in ${seconds.toFixed(1)} s`);
const batches = steps * BATCHES;
console.error(
  `calls: ${batches} generate, ${batches} score, ${batches} gradient, ${
    steps * groups.trainers.length
  } update, ` +
    `${steps + 1} weights, ${sorted.length} answer; actors: ${groups.rollout.length} rollout, ` +
    `${groups.reward.length} reward, ${groups.trainers.length} trainers`,
);
console.log(
  `after ${steps} steps it sorts ${percent(after)} of ${HELD_OUT_WORDS} words that it was not trained on; ` +
    `before: ${percent(before)}`,
);
if (after < SORTED_MIN) {
  console.log("IT DID NOT LEARN TO SORT");
  process.exitCode = 1;
}
if (flags.stay) await stayUntilEnter(cluster.dashboardUrl);

function of<T>(group: readonly T[], n: number): T {
  return group[n % group.length]!;
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
