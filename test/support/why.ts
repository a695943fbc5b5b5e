/**
 * What tests of why() share: ids, and waiting for a sentence.
 * @module
 */
import { expect } from "bun:test";
import { type ActorHandle, type ObjectRef, why } from "mobula";
import { clientOf } from "../../runtime/io/core_worker/actor_handle.ts";
import { waitFor } from "./wait_for.ts";

const MS = String.raw`(\d+ ms|\d+\.\d s)`;

/** The task that makes a ref. */
export function taskOf(ref: ObjectRef<unknown>): string {
  return `t${ref.id.slice(1).replace(/\.\d+$/, "")}`;
}

export function actorOf(handle: ActorHandle<object>): string {
  return clientOf(handle, "why").info.actorId;
}

/** Waits until the sentence about `id` is this one, with `<ms>` for a duration and `…` for anything. */
export async function says(id: string, expected: string): Promise<void> {
  const parts = expected.split(/(<ms>|…)/).map((part) =>
    part === "<ms>" ? MS : part === "…" ? ".*" : RegExp.escape(part)
  );
  const pattern = new RegExp(`^${parts.join("")}$`);
  let last = "";
  try {
    await waitFor("the sentence", async () => pattern.test(last = await why(id)));
  } catch {
    expect(last).toBe(expected);
  }
}
