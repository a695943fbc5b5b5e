/**
 * A small driver, for how drivers begin and end. Its first argument says what it does:
 *
 *     implicit   no init(), no shutdown(): its first call starts a cluster, its end ends it
 *     throws     as implicit, but it ends by an error that nobody catches
 *     exits      as implicit, but it calls process.exit(3) while a task runs
 *     stays      prints its cluster's processes, then waits to be ended, with a task, an actor and an object at hand
 *     lost       prints the agent's pid, and when that was killed, how what it waits for ends
 *     crash      prints the agent's pid, and ends as soon as it is told that its agent is lost
 *
 * @module
 */
import { get, init, put, remote, shutdown } from "mobula";

const what = process.argv[2];

const add = remote((x: number, y: number) => x + y);
const forever = remote(() => new Promise<never>(() => {}), { numCpus: 0 });
const parent = remote(() => process.ppid);

if (what === "implicit" || what === "throws" || what === "exits") {
  const large = await put(new Uint8Array(5 << 20));
  const size = remote((bytes: Uint8Array) => bytes.length);
  console.log(await get(add.remote(1, 2)), await get(size.remote(large)));
  forever.remote();
  if (what === "throws") throw new Error("nobody catches it");
  if (what === "exits") process.exit(3);
} else if (what === "stays") {
  await init({ numCpus: 2 });
  const Spinner = remote(
    class Spinner {
      ready(): number {
        return process.pid;
      }
      // Never gives the event loop back: only force ends it.
      spin(): void {
        for (;;);
      }
    },
  );
  const spinner = Spinner.remote();
  await put(new Uint8Array(20 << 20).fill(1));
  forever.remote();
  console.log(JSON.stringify([await get(parent.remote()), await get(spinner.ready.remote())]));
  spinner.spin.remote();
  setInterval(() => {}, 1_000);
} else if (what === "lost") {
  await init({ numCpus: 2, dashboard: false });
  const Idle = remote(
    class Idle {
      pid(): number {
        return process.pid;
      }
      wait(): Promise<never> {
        return new Promise(() => {});
      }
    },
  );
  const idle = Idle.remote();
  await get(idle.pid.remote());
  const waiting = [get(forever.remote()), get(idle.wait.remote()), get(add.remote(forever.remote(), 1))];
  console.log(await get(parent.remote()));
  for (const outcome of await Promise.allSettled(waiting)) {
    console.log(
      outcome.status === "rejected" ? `${outcome.reason.name}: ${outcome.reason.message}` : "resolved",
    );
  }
  for (
    const later of [
      () => put(new Uint8Array(1 << 20)),
      () => get(add.remote(1, 2)),
      () => get(idle.pid.remote()),
    ]
  ) {
    try {
      console.log("resolved", await later());
    } catch (error) {
      console.log(`${(error as Error).name}: ${(error as Error).message}`);
    }
  }
} else if (what === "crash") {
  await init({ numCpus: 2, dashboard: false });
  console.log(await get(parent.remote()));
  await get(forever.remote()).catch(() => undefined);
  await shutdown();
} else throw new RangeError(`unknown: ${what}`);
