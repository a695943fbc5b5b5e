/**
 * The cluster that the dashboard's bars look at: this process is its driver.
 * @module
 */
import { get, init, listJobs, type ObjectRef, release, remote, type RemoteFunction, shutdown } from "mobula";
import { currentDriver } from "../../runtime/api/init.ts";

const echo: RemoteFunction<(value: number) => number> = remote((value: number): number => value);
const IN_FLIGHT = 2_000;

export interface Watchee {
  /** Signs one browser in. */
  readonly link: string;
  readonly jobId: string;
  /** Leads the command line here. */
  readonly environment: Readonly<Record<string, string>>;
  /** Tasks that have run; what pages must say. */
  readonly finished: () => number;
  /** Run so many tasks. */
  readonly run: (count: number) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export async function openCluster(): Promise<Watchee> {
  const cluster = await init({ numCpus: 2, logToDriver: false });
  if (cluster.dashboardUrl === undefined) throw new Error("the cluster has no dashboard");
  const [job] = await listJobs({ filters: ["state=RUNNING"] });
  let finished = 0;
  return {
    link: cluster.dashboardUrl,
    jobId: String(job!["jobId"]),
    environment: { MOBULA_ADDRESS: cluster.address, MOBULA_TOKEN: currentDriver()!.local!.token },
    finished: () => finished,
    run: async (count) => {
      for (let done = 0; done < count; done += IN_FLIGHT) {
        const refs: ObjectRef<number>[] = [];
        for (let index = done; index < Math.min(count, done + IN_FLIGHT); index++) {
          refs.push(echo.remote(index));
        }
        await get(refs);
        for (const ref of refs) release(ref);
        finished += refs.length;
      }
    },
    stop: shutdown,
  };
}

/** Tasks at a steady rate for `ms`; `done` is told how many have finished. */
export async function runSteadily(
  perSecond: number,
  ms: number,
  done: (count: number) => void = () => undefined,
): Promise<void> {
  const startMs = performance.now();
  let submitted = 0;
  while (performance.now() - startMs < ms) {
    const due = Math.floor((performance.now() - startMs) / 1_000 * perSecond);
    const refs: ObjectRef<number>[] = [];
    for (; submitted < due; submitted++) refs.push(echo.remote(submitted));
    if (refs.length > 0) await get(refs);
    for (const ref of refs) release(ref);
    done(submitted);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
