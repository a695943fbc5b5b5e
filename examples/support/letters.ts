/**
 * Words to sort, and the policy that learns it: a small stand-in for a language model, which writes letter by letter.
 * @module
 */
import { Network, type Shape } from "./network.ts";
import { seededRandom } from "./random.ts";

export const ALPHABET = "abcdefgh";
const HIDDEN = 64;

/** Writes an answer letter by letter: the network sees the prompt and what is written so far, and rates the next letter. */
export class Policy {
  readonly network: Network;
  readonly #letters: number;
  readonly #input: Float32Array;

  constructor(letters: number, weights: Float32Array) {
    this.network = new Network(shapeOf(letters), weights);
    this.#letters = letters;
    this.#input = new Float32Array(shapeOf(letters).inputs);
  }

  /** `choose` picks the next letter, given the probability of each. */
  answer(prompt: string, choose: (probabilities: Float32Array) => number): string {
    let written = "";
    while (written.length < this.#letters) {
      written += ALPHABET[choose(this.network.predict(this.inputOf(prompt, written)))];
    }
    return written;
  }

  /** A one for each letter at its place, in the prompt and in the answer. */
  inputOf(prompt: string, written: string): Float32Array {
    this.#input.fill(0);
    [...prompt].forEach((letter, at) => this.#input[at * ALPHABET.length + ALPHABET.indexOf(letter)] = 1);
    const answer = this.#input.subarray(this.#letters * ALPHABET.length);
    [...written].forEach((letter, at) => answer[at * ALPHABET.length + ALPHABET.indexOf(letter)] = 1);
    return this.#input;
  }
}

export function shapeOf(letters: number): Shape {
  return { inputs: 2 * letters * ALPHABET.length, hidden: HIDDEN, outputs: ALPHABET.length };
}

/** One word of five is kept to test with, by the sum of its letters: no other arrangement of them is trained on either. */
export function isHeldOut(word: string): boolean {
  return [...word].reduce((sum, letter) => sum + ALPHABET.indexOf(letter), 0) % 5 === 0;
}

export function isTrainedOn(word: string): boolean {
  return !isHeldOut(word);
}

/** Words that are wanted; some may be the same. */
export function randomWords(
  letters: number,
  count: number,
  wanted: (word: string) => boolean,
  ...seeds: number[]
): string[] {
  const random = seededRandom(...seeds);
  const letter = (): string => ALPHABET[Math.floor(random() * ALPHABET.length)]!;
  const words: string[] = [];
  while (words.length < count) {
    const word = Array.from({ length: letters }, letter).join("");
    if (wanted(word)) words.push(word);
  }
  return words;
}

export function sortedWord(word: string): string {
  return [...word].sort().join("");
}
