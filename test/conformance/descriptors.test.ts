/** What spilling, restoring and moving objects leave open or mapped in agents and workers: nothing. */
import { afterAll, beforeAll, expect } from "bun:test";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { collectGarbage } from "#platform";
import { get, listObjects, type ObjectRef, put, release, remote, shutdown } from "mobula";
import { watchLeftovers } from "../support/leftovers.ts";
import { testUnless } from "../support/skip.ts";
import { waitFor } from "../support/wait_for.ts";
import { addNode, type CaseNode, startCases } from "./cases.ts";

const leftovers = watchLeftovers();
const MB = 1 << 20;
/** What a process may have more for a while: a view that its collector has not found to be gone yet, with the file of the
 *  object that it keeps. A round moves fifteen objects, each to three readers. */
const SLACK = 3;
let other: CaseNode;

beforeAll(async () => {
  await startCases({ objectStoreBytes: 32 * MB });
  other = await addNode({ numCpus: 1, objectStoreBytes: 32 * MB, resources: { there: 1 } });
});
afterAll(async () => {
  await shutdown();
  await leftovers.check();
});

/** What a process has open, by what it is: `socket`, `/dev/shm/…/pool`. */
function openIn(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$/, "")];
    } catch {
      return []; // Closed meanwhile.
    }
  }).sort();
}

/** Mappings of pools in a process. */
function mappedIn(pid: number): number {
  return readFileSync(`/proc/${pid}/maps`, "utf8").split("\n").filter((line) => line.includes("/mobula-"))
    .length;
}

const isLinux = existsSync("/proc/self/fd");

testUnless(isLinux ? null : "needs /proc")(
  "spilled, restored, sent and read again and again: no descriptor and no mapping is left over",
  async () => {
    const far = { schedulingStrategy: { nodeId: other.nodeId } };
    const first = remote((...all: Uint8Array[]) => all.map((bytes) => bytes[0]!), { numCpus: 1 });
    const make = remote((bytes: number, fill: number) => new Uint8Array(bytes).fill(fill), far);
    const round = async (): Promise<void> => {
      const refs: ObjectRef<Uint8Array>[] = [];
      for (let n = 0; n < 12; n++) refs.push(await put(new Uint8Array(5 * MB).fill(n)));
      for (let n = 0; n < 3; n++) refs.push(make.remote(5 * MB, 12 + n));
      for (const [n, ref] of refs.entries()) {
        using here = first.remote(ref);
        using there = first.options(far).remote(ref);
        expect(await get([here, there])).toEqual([[n], [n]]);
        expect((await get(ref))[0]).toBe(n);
      }
      for (const ref of refs) release(ref);
      await waitFor("no object is left", async () => (await listObjects()).length === 0);
    };
    const settled = async (most: readonly State[] | null): Promise<State[]> =>
      await waitFor("nothing is left over", () => {
        collectGarbage();
        const now = state();
        // A file that is removed and open takes the disk's room all the same.
        if (now.some(({ open }) => open.some((path) => /\/spill\/.* \(deleted\)$/.test(path)))) return null;
        return most === null || now.every((one) => isWithin(one, most)) ? now : null;
      }).catch((error: Error) => {
        throw new Error(`${error.message}: ${JSON.stringify(state())} after ${JSON.stringify(most)}`);
      });
    await round();
    await round();
    const before = await settled(null);
    expect(before.length).toBeGreaterThan(3);
    for (let n = 0; n < 6; n++) await round();
    await settled(before);
  },
  120_000,
);

interface State {
  readonly pid: number;
  readonly open: readonly string[];
  readonly mapped: number;
}

/** Of all processes of the cluster, and of this one, which is its driver. */
function state(): State[] {
  const pids = [process.pid, ...leftovers.processes().map(({ pid }) => pid)];
  return pids.flatMap((pid) => {
    try {
      return [{ pid, open: openIn(pid), mapped: mappedIn(pid) }];
    } catch {
      return []; // It ended.
    }
  });
}

/** Whether a process has no more than it had, or than one that is as old as this has now. */
function isWithin({ pid, open, mapped }: State, before: readonly State[]): boolean {
  const own = before.find((one) => one.pid === pid);
  // A worker that was started since: like the one that has most.
  const most = own ?? {
    open: before.map((one) => one.open).sort((a, b) => b.length - a.length)[0]!,
    mapped: Math.max(...before.map((one) => one.mapped)),
  };
  return open.length <= most.open.length + SLACK && mapped <= most.mapped + SLACK;
}
