/**
 * What is profiled: no-op tasks, a thousand in flight, one driver and one worker. A task begins and ends the worker's profile.
 * @module
 */
import { get, type ObjectRef, release, remote, type RemoteFunction } from "mobula";
import type { CpuProfile } from "./profile.ts";

const INTERVAL_US = 100;

/** Samples of the process that begins and ends it, and the processor time in between in microseconds. */
export interface Profiled {
  readonly profile: CpuProfile;
  readonly cpuUs: number;
}

interface Session {
  post(method: string, params?: object): Promise<unknown>;
}

/** On the process, because each function travels with a module of its own. */
const place = globalThis as { mobulaProfile?: { readonly session: Session; readonly cpu: NodeJS.CpuUsage } };

export async function begin(): Promise<void> {
  const { Session } = await import("node:inspector/promises");
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
  await session.post("Profiler.start");
  place.mobulaProfile = { session: session as unknown as Session, cpu: process.cpuUsage() };
}

export async function end(): Promise<Profiled> {
  const { session, cpu } = place.mobulaProfile!;
  const { user, system } = process.cpuUsage(cpu);
  const { profile } = await session.post("Profiler.stop") as { profile: CpuProfile };
  return { profile, cpuUs: user + system };
}

/** In the worker. */
export const beginThere: RemoteFunction<() => Promise<void>> = remote(begin, { name: "begin" });
/** As JSON: a profile has more nodes than an inline value. */
export const endThere: RemoteFunction<() => Promise<string>> = remote(
  async (): Promise<string> => JSON.stringify(await end()),
  { name: "end" },
);

export const noop: RemoteFunction<() => number> = remote((): number => 1, { name: "noop" });

/** `count` in flight, and all results. */
export async function batch(count: number): Promise<void> {
  const refs: ObjectRef<number>[] = Array.from({ length: count }, () => noop.remote());
  await get(refs);
  for (const ref of refs) release(ref);
}
