/**
 * Commands to the head: what may trigger something, for the full role.
 * @module
 */
import { computed, type ReadonlySignal } from "@preact/signals";
import { hello } from "./cluster.ts";

/** Whether this browser may only look: what triggers something is not offered. */
export const isViewer: ReadonlySignal<boolean> = computed(() => hello.value?.role === "viewer");

/** POST a command. @throws Error with the head's sentence. */
export async function command<T>(name: string, body: object, abort?: AbortSignal): Promise<T> {
  const response = await fetch(`./api/v1/${name}`, {
    method: "POST",
    // The header says that it is this page that asks: another site's form cannot set it.
    headers: { "content-type": "application/json", "x-mobula-command": "1" },
    body: JSON.stringify(body),
    signal: abort ?? null,
  });
  if (response.ok) return await response.json() as T;
  const answer = await response.json().catch(() => null) as { error?: { message: string } } | null;
  throw new Error(answer?.error?.message ?? `the head answers ${response.status}`);
}
