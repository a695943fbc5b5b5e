/**
 * What one process puts: values of put(), and arguments that are too large to travel inline. A small value stays in the
 * process like any other object (objects.ts), a large one goes to the node's store.
 * @module
 */
import { putId } from "../../common/ids.ts";
import type { CoreContext } from "./core_context.ts";
import { Entry } from "./entry.ts";
import { ObjectRef } from "./object_ref.ts";
import type { StoreAccess } from "./store_access.ts";
import { type Encoded, isInline } from "./value_codec.ts";

/** See the module's header. */
export class Puts {
  readonly #core: CoreContext;
  readonly #store: StoreAccess;
  #next = 1;

  constructor(core: CoreContext, store: StoreAccess) {
    this.#core = core;
    this.#store = store;
  }

  /** Put a value; answers when others can find it as soon as they are given the ref. */
  async put(value: unknown): Promise<ObjectRef<unknown>> {
    if (value instanceof ObjectRef) {
      throw new TypeError("put() takes a value, not a ref: the ref is one already");
    }
    const encoded = this.#core.codec.encode(value, "value");
    const entry = this.#newEntry();
    const ref = this.#core.objects.refOf(entry);
    await this.#fill(entry, encoded);
    return ref;
  }

  /** An argument that is too large to travel inline; its entry settles when it is stored. */
  putArgument(encoded: Encoded): Entry {
    const { objects } = this.#core;
    const entry = this.#newEntry();
    entry.count++;
    // The caller may change its arrays after the call: take the bytes now.
    const copied = { ...encoded, buffers: encoded.buffers.map((buffer) => buffer.slice()) };
    this.#fill(entry, copied).then(
      () => objects.drop(entry),
      (error) => {
        objects.settleError(entry, objects.encodeError(error));
        objects.drop(entry);
      },
    );
    return entry;
  }

  #newEntry(): Entry {
    const { identity, objects } = this.#core;
    const entry = Entry.ofPut(identity, putId(identity.self, this.#next++));
    objects.callSites?.note([entry]);
    return entry;
  }

  async #fill(entry: Entry, encoded: Encoded): Promise<void> {
    const { identity, objects, connected } = this.#core;
    const contained = encoded.held.length > 0 ? encoded.held : null;
    if (contained !== null) { for (const inner of contained) inner.count++; }
    if (isInline(encoded)) return objects.settleInline(entry, encoded.body, contained);
    if (identity.node === "") await connected; // Who counts it is known only then.
    const { node } = identity;
    objects.register(entry, node);
    const size = await this.#store.write(entry.id, encoded, {
      home: node,
      owner: identity.self,
      isError: false,
      contains: encoded.refs,
      producer: "put",
    });
    objects.settleStored(entry, node, size, contained);
  }
}
