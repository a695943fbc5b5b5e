/**
 * Which GPUs a worker's code sees: the indices that its task or actor holds, in the variables that GPU libraries read
 * when they start. A worker serves one lease after another, so they are set before each task that holds other ones than
 * the last; a task without GPUs sees none, as in Ray.
 * @module
 */
import { setVariable } from "#platform";

/** NVIDIA's and AMD's. */
const VARIABLES: readonly string[] = ["CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"];

/** One worker's. Only workers of nodes with GPUs have one. */
export class VisibleDevices {
  /** The variable, and what the node was started with in it: its GPU 0 may be the machine's fourth. */
  readonly #variables: ReadonlyMap<string, readonly string[]>;
  #shown: readonly number[] | null = null;

  /** `chosen`: variables of the runtime environment; what the user set there stays. */
  constructor(chosen: Readonly<Record<string, string>> = {}) {
    this.#variables = new Map(
      VARIABLES.filter((name) => !Object.hasOwn(chosen, name)).map((
        name,
      ) => [name, listOf(process.env[name])]),
    );
  }

  /** What runs from now on holds these indices. The same array as the last time is no change. */
  show(gpuIds: readonly number[]): void {
    if (gpuIds === this.#shown) return;
    this.#shown = gpuIds;
    for (const [name, ids] of this.#variables) {
      const value = gpuIds.map((index) => ids[index] ?? String(index)).join(",");
      if (process.env[name] !== value) setVariable(name, value);
    }
  }
}

function listOf(value: string | undefined): readonly string[] {
  return value === undefined || value === "" ? [] : value.split(",").map((id) => id.trim());
}
