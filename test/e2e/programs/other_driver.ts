/**
 * Another driver of a running cluster (MOBULA_ADDRESS, MOBULA_TOKEN): does what its first argument says, prints one JSON
 * value, and ends; or, for "flood", prints a line when all of it runs and stays.
 */
import { get, getActor, init, kill, ready, remote, runtimeContext, shutdown } from "mobula";

const [what = "", name = ""] = process.argv.slice(2);
await init(process.env.TEST_NAMESPACE === undefined ? {} : { namespace: process.env.TEST_NAMESPACE });

const Pinger = remote(
  class Pinger {
    pings = 0;
    ping(): number {
      return ++this.pings;
    }
    pid(): number {
      return process.pid;
    }
    /** Tasks and actors of an actor whose creator is gone. */
    async work(): Promise<number> {
      const { get, kill, remote } = await import("mobula");
      const one = remote(() => 1);
      const Two = remote(
        class Two {
          two(): number {
            return 2;
          }
        },
      );
      const two = Two.remote();
      const sum = await get(one.remote()) + await get(two.two.remote());
      await kill(two);
      return sum;
    }
  },
);

async function run(): Promise<unknown> {
  switch (what) {
    case "named": {
      const pinger = Pinger.options({ name }).remote();
      return [await get(pinger.ping.remote()), await get(pinger.pid.remote())];
    }
    case "detached": {
      const pinger = Pinger.options({ name, lifetime: "detached" }).remote();
      return [await get(pinger.ping.remote()), runtimeContext().namespace];
    }
    case "taken": {
      const pinger = Pinger.options({ name }).remote();
      return await ready(pinger).then(() => "created", (error: Error) => error.name);
    }
    case "use": {
      const pinger = await getActor<{ ping(): number }>(name);
      return await get(pinger.ping.remote());
    }
    case "kill": {
      await kill(await getActor(name));
      return await getActor(name).then(() => "there", (error: Error) => error.name);
    }
    case "fail": {
      const failing = remote((who: string) => {
        console.error(`${who} printed`);
        throw new RangeError(`${who} failed`);
      });
      const error = await get(failing.remote(name)).then(() => null, (error: Error) => error);
      // Printed lines come after the error, perhaps.
      for await (const line of process.stdin) if (String(line).includes("end")) break;
      return error?.message;
    }
    case "flood": {
      // Actors and tasks that never end hold every unit of the resource; many more tasks wait.
      const Holder = Pinger.options({ resources: { slot: 1 } });
      const holders = Array.from({ length: 3 }, () => Holder.remote());
      const pids = await get(holders.map((holder) => holder.pid.remote()));
      const endless = remote(
        async (told: (typeof holders)[0]) => {
          await (await import("mobula")).get(told.ping.remote());
          await new Promise(() => setInterval(() => {}, 1_000));
        },
        { numCpus: 0, resources: { slot: 1 } },
      );
      for (let i = 0; i < 20; i++) endless.remote(holders[0]!);
      // One ping of our own a round, and one of the task.
      for (let round = 1; await get(holders[0]!.ping.remote()) === round; round++);
      console.log(JSON.stringify(pids));
      if (name === "stay") await new Promise(() => setInterval(() => {}, 1_000));
      return "ended";
    }
    default:
      throw new Error(`What is ${what}?`);
  }
}

console.log(JSON.stringify(await run()));
await shutdown();
