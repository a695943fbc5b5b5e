/**
 * A generator call with `numReturns: n`: n refs, which settle one by one as items come. What the generator throws is the
 * value of those that are left; so is a RangeError when it ends too early. Items beyond n are the worker's to complain of.
 * @module
 */
import { Entry } from "./entry.ts";
import { type ItemCallInit, ItemReceiver } from "./item_receiver.ts";
import type { ObjectRef } from "./object_ref.ts";

/** See the module's header. */
export class FixedItems extends ItemReceiver {
  readonly given: readonly ObjectRef<unknown>[];
  readonly #entries: Entry[] = [];
  #next = 0;

  constructor(init: ItemCallInit & { readonly limit: number }) {
    super(init);
    const { objects } = init.core;
    const given: ObjectRef<unknown>[] = [];
    for (let index = 0; index < init.limit; index++) {
      const entry = Entry.ofReturn(init.core.identity, init.sequence, index + 1, init.name);
      this.#entries.push(entry);
      given.push(objects.refOf(entry));
    }
    this.given = given;
  }

  protected arrived(): void {
    const item = this.reader.take()!;
    const entry = this.entryOf(this.#next++);
    if (item instanceof Uint8Array) this.init.core.objects.settleInline(entry, item, null);
    else this.drop(item); // The ref counts it.
  }

  protected override entryOf(index: number): Entry {
    return this.#entries[index] ?? super.entryOf(index);
  }

  protected finished(error: Uint8Array | null): void {
    const { core, name, limit } = this.init;
    const missing = error ?? core.objects.encodeError(
      new RangeError(`${name} (${this.id}) gave ${this.#next} of the ${limit} items of numReturns`),
    );
    for (const entry of this.#entries.slice(this.#next)) core.objects.settleError(entry, missing);
  }
}
