/**
 * The types of actor handles: exactly the public methods of the class, with their types. Each `@ts-expect-error` is an
 * assertion, checked by the type check of `npm test`.
 * @module
 */
import { expect, test } from "bun:test";
import type { ActorHandle, HandleOf, ObjectRef, ObjectRefStream } from "../../runtime/mod.ts";
import { exitActor, get, onShutdown, remote, runtimeContext } from "../../runtime/mod.ts";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(_equal: Equal<A, B>): void {}

class Base {
  inherited(): boolean {
    return true;
  }
}

class Store extends Base {
  readonly size = 0;
  handler = (text: string): number => text.length;
  #secret = 1;
  private hidden(): number {
    return this.#secret;
  }
  protected guarded(): number {
    return this.hidden();
  }
  read(key: string, fallback?: number): number | undefined {
    return key === "" ? fallback : this.guarded();
  }
  first<T>(values: T[]): T | undefined {
    return values[0];
  }
  async *lines(): AsyncGenerator<string> {
    yield "a";
  }
  pair(): [number, string] {
    return [1, "a"];
  }
  // deno-lint-ignore no-explicit-any -- a thenable on purpose
  then(_resolve: (value: any) => void): void {}
  [onShutdown](): void {}
  leave(): never {
    exitActor();
  }
}

/** Never called: only its types matter. */
export async function programs(): Promise<void> {
  const Remote = remote(Store, {
    concurrencyGroups: { io: 2 },
    methods: { read: { concurrencyGroup: "io" } },
  });
  const store = Remote.remote();
  same<typeof store, HandleOf<typeof Remote>>(true);
  type Names = "inherited" | "handler" | "read" | "first" | "lines" | "pair" | "leave";
  same<keyof typeof store, Names | typeof Symbol.dispose>(true);

  same<ReturnType<typeof store.inherited.remote>, ObjectRef<boolean>>(true);
  same<ReturnType<typeof store.handler.remote>, ObjectRef<number>>(true);
  same<ReturnType<typeof store.read.remote>, ObjectRef<number | undefined>>(true);
  same<ReturnType<typeof store.lines.remote>, ObjectRefStream<string>>(true);
  same<ReturnType<typeof store.leave.remote>, ObjectRef<never>>(true);
  store.read.remote("a");
  store.read.remote("a", 1);
  store.read.options({ concurrencyGroup: "io", maxTaskRetries: 2, numReturns: 1 }).remote("a");
  const [one, text] = store.pair.options({ numReturns: 2 }).remote();
  same<typeof one, ObjectRef<number>>(true);
  same<typeof text, ObjectRef<string>>(true);

  // @ts-expect-error a field is no method
  store.size.remote();
  // @ts-expect-error a private method is not offered
  store.hidden.remote();
  // @ts-expect-error nor is a protected one
  store.guarded.remote();
  // @ts-expect-error a handle is no thenable, whatever the class has
  store.then;
  // @ts-expect-error hooks are mobula's to call
  store[onShutdown];
  // @ts-expect-error there is no such method
  store.write.remote();
  // @ts-expect-error a method is not called directly
  store.read("a");
  // @ts-expect-error a missing argument
  store.read.remote();
  // @ts-expect-error an argument of another type
  store.read.remote(1);
  // @ts-expect-error a method has no name of its own
  store.read.options({ name: "x" });
  // @ts-expect-error groups are the class's
  store.read.options({ concurrencyGroups: { io: 1 } });
  // @ts-expect-error a limit is a number
  remote(Store, { concurrencyGroups: { io: "2" } });

  // Handles are values: an argument of that type takes one, and a ref to one.
  const use = remote(async (store: ActorHandle<Store>) => await get(store.read.remote("a")));
  use.remote(store);
  // @ts-expect-error the handle of another class lacks its methods
  use.remote(remote(Base).remote());
  const self = runtimeContext().actorHandle<Store>();
  same<typeof self, ActorHandle<Store>>(true);
}

test("the types of handles are checked when this file is", () => {
  expect(typeof programs).toBe("function");
});
