/**
 * A small neural network, written out: one hidden layer of rectifiers, and softmax. All weights are in one array, so that
 * weights and gradients travel and add up as arrays do.
 * @module
 */
import { normal, seededRandom } from "./random.ts";

export interface Shape {
  readonly inputs: number;
  readonly hidden: number;
  readonly outputs: number;
}

export function weightCount({ inputs, hidden, outputs }: Shape): number {
  return (inputs + 1) * hidden + (hidden + 1) * outputs;
}

/** Random weights to begin with (He's initialisation), biases of 0. */
export function newWeights(shape: Shape, seed: number): Float32Array {
  const { inputs, hidden, outputs } = shape;
  const random = seededRandom(seed);
  const weights = new Float32Array(weightCount(shape));
  weights.subarray(0, inputs * hidden).forEach((_, i) => weights[i] = normal(random) * Math.sqrt(2 / inputs));
  const second = (inputs + 1) * hidden;
  for (let i = 0; i < hidden * outputs; i++) weights[second + i] = normal(random) * Math.sqrt(1 / hidden);
  return weights;
}

/** Predicts, and says how the weights should change. */
export class Network {
  readonly #shape: Shape;
  readonly #weights: Float32Array;
  readonly #hidden: Float32Array;
  readonly #outputs: Float32Array;
  readonly #hiddenErrors: Float32Array;

  constructor(shape: Shape, weights: Float32Array) {
    this.#shape = shape;
    this.#weights = weights;
    this.#hidden = new Float32Array(shape.hidden);
    this.#outputs = new Float32Array(shape.outputs);
    this.#hiddenErrors = new Float32Array(shape.hidden);
  }

  /** The probability of each output. The array is overwritten by the next prediction. */
  predict(input: Float32Array): Float32Array {
    const { inputs, hidden: width, outputs: count } = this.#shape;
    const [weights, hidden, outputs] = [this.#weights, this.#hidden, this.#outputs];
    for (let h = 0; h < width; h++) hidden[h] = weights[inputs * width + h]!;
    for (let i = 0; i < inputs; i++) {
      const x = input[i]!;
      if (x === 0) continue; // Most of an image, and of one-hot codes, is.
      for (let h = 0; h < width; h++) hidden[h]! += x * weights[i * width + h]!;
    }
    const second = (inputs + 1) * width;
    for (let k = 0; k < count; k++) outputs[k] = weights[second + width * count + k]!;
    for (let h = 0; h < width; h++) {
      const active = Math.max(0, hidden[h]!);
      hidden[h] = active;
      if (active === 0) continue;
      for (let k = 0; k < count; k++) outputs[k]! += active * weights[second + h * count + k]!;
    }
    return softmax(outputs);
  }

  /** Adds the gradient of the last prediction's loss, given the loss's slope by each output before softmax. */
  addGradient(input: Float32Array, slopes: Float32Array, gradient: Float32Array): void {
    const { inputs, hidden: width, outputs: count } = this.#shape;
    const [weights, hidden, errors] = [this.#weights, this.#hidden, this.#hiddenErrors];
    const second = (inputs + 1) * width;
    for (let k = 0; k < count; k++) gradient[second + width * count + k]! += slopes[k]!;
    for (let h = 0; h < width; h++) {
      errors[h] = 0;
      if (hidden[h] === 0) continue;
      let error = 0;
      for (let k = 0; k < count; k++) {
        const at = second + h * count + k;
        error += slopes[k]! * weights[at]!;
        gradient[at]! += slopes[k]! * hidden[h]!;
      }
      errors[h] = error;
      gradient[inputs * width + h]! += error;
    }
    for (let i = 0; i < inputs; i++) {
      const x = input[i]!;
      if (x === 0) continue;
      for (let h = 0; h < width; h++) gradient[i * width + h]! += x * errors[h]!;
    }
  }
}

/** Turns scores into probabilities, in place. */
function softmax(scores: Float32Array): Float32Array {
  const largest = Math.max(...scores);
  let sum = 0;
  for (let k = 0; k < scores.length; k++) sum += scores[k] = Math.exp(scores[k]! - largest);
  for (let k = 0; k < scores.length; k++) scores[k]! /= sum;
  return scores;
}

/** Changes weights along gradients: each weight with a pace of its own (Adam by Kingma and Ba). */
export class Adam {
  readonly #rate: number;
  readonly #means: Float32Array;
  readonly #squares: Float32Array;
  #steps = 0;

  constructor(size: number, rate: number) {
    this.#rate = rate;
    this.#means = new Float32Array(size);
    this.#squares = new Float32Array(size);
  }

  /** `share`: of the rate, for this step; falling to 0 towards the end, weights come to rest. */
  step(weights: Float32Array, gradient: Float32Array, share = 1): void {
    this.#steps++;
    const rate = share * this.#rate * Math.sqrt(1 - 0.999 ** this.#steps) / (1 - 0.9 ** this.#steps);
    for (let i = 0; i < weights.length; i++) {
      const slope = gradient[i]!;
      const mean = this.#means[i] = 0.9 * this.#means[i]! + 0.1 * slope;
      const square = this.#squares[i] = 0.999 * this.#squares[i]! + 0.001 * slope * slope;
      weights[i]! -= rate * mean / (Math.sqrt(square) + 1e-8);
    }
  }
}
