/**
 * A driver of a running cluster (MOBULA_ADDRESS, MOBULA_TOKEN) that makes placement groups, says their ids as JSON, and ends.
 * Arguments: what ("job", "detached", "actor"), and a name.
 */
import { get, init, type PlacementGroup, placementGroup, ready, remote, shutdown } from "mobula";

const [what = "", name = ""] = process.argv.slice(2);
await init({ namespace: "groups" });

async function made(): Promise<string[]> {
  if (what === "actor") {
    const Maker = remote(
      class Maker {
        group: PlacementGroup | null = null;
        async make(): Promise<string> {
          const { get, placementGroup } = await import("mobula");
          this.group = await placementGroup([{ CPU: 1 }]);
          await get(this.group.ready());
          return this.group.id;
        }
        pid(): number {
          return process.pid;
        }
      },
    );
    const maker = Maker.options({ name, lifetime: "detached" }).remote();
    await ready(maker);
    return [await get(maker.make.remote())];
  }
  const lifetime = what === "detached" ? { lifetime: "detached", name } as const : {};
  const count = what === "detached" ? 1 : 4;
  const groups = await Promise.all(
    Array.from({ length: count }, () => placementGroup([{ CPU: 0.5 }], lifetime)),
  );
  await get(groups.map((group) => group.ready()));
  return groups.map(({ id }) => id);
}

console.log(JSON.stringify(await made()));
await shutdown();
