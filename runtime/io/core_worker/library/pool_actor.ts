/**
 * The actor behind one process of a Pool. It uses nothing from outside: see library_class.ts.
 * @module
 */

/** A function that arrived as a value (remote_function.ts). */
interface Arrived {
  loadHere(): Promise<(item: unknown) => unknown>;
}

/** Runs what it is given, item by item. */
export class PoolActor {
  async run(fn: unknown, items: readonly unknown[]): Promise<unknown[]> {
    const call = await (fn as Arrived).loadHere();
    const results: unknown[] = [];
    for (const item of items) results.push(await call(item));
    return results;
  }
}
