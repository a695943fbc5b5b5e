/**
 * `npm run bench`: mobula beside thread pools and the raw limits of this machine, measured in one run and in turns, as a
 * table with ratios, then how mobula scales (scale.ts) and a hundred thousand light actors (light_actors.ts), then Ray's 23
 * microbenchmarks (peers/) beside the baseline file. It takes less than ten minutes; figures of a busy machine are worth little.
 *
 *   --only TEXT        only measurements whose title contains TEXT ("Ray's microbenchmarks": all of those)
 *   --json FILE        also write all figures there       --markdown FILE, --svg FILE   Ray's 23 as a table and as a picture
 *   --write-baseline   Ray's 23 become the baseline that later runs are compared with (bench/baseline.json)
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import {
  callTask,
  getting,
  inFlight as mobulaInFlight,
  oneAtATime as mobulaOneAtATime,
  openActor,
  startCluster,
  stopCluster,
  streaming,
  workerStart,
} from "./mobula.ts";
import { inFlight, oneAtATime, openPiscina, openPoolifier, type Peer } from "./pools.ts";
import { callersToActors, dedicatedActors, PAIRS, PAIRS_RATIO_MIN } from "./actors.ts";
import { memoryCopy, RawPeer } from "./raw.ts";
import { measureLightActors } from "./light_actors.ts";
import { measureScale } from "./scale.ts";
import { COST_GROWTH_MAX, deciding } from "./scheduling.ts";
import { measureBroadcast } from "./broadcast.ts";
import { measureStore, putting } from "./store.ts";
import { measureLinkedTransfer, measureTransfers } from "./transfers.ts";
import { openStoreRows } from "./store_rows.ts";
import { formatTable, type Group, type Mark } from "./table.ts";
import { type Contestant, type Measurement, missing, race, type Result } from "./timing.ts";

const KB = 1_000;
const MB = 1_000_000;
const IN_FLIGHT = 1_000;
const POOLS = ["piscina", "poolifier"] as const;

/** In all, on two processors that nobody else uses. */
const SECONDS_MAX = 600;
/** Short slices: medians of few, in turns with the limits beside them and with Deno and Node. */
const SUITE = ["--with", "deno,node,plain", "--rounds", "3", "--ms", "300"];

const { values: flags } = parseArgs({
  options: {
    only: { type: "string" },
    json: { type: "string" },
    markdown: { type: "string" },
    svg: { type: "string" },
    "write-baseline": { type: "boolean", default: false },
  },
});
const groups: Group[] = [];

/** Measure one group, unless --only names others. */
async function group(
  title: string,
  unit: Group["unit"],
  contestants: readonly (Contestant | Result)[],
  measurement: Measurement,
  mark?: Mark,
): Promise<void> {
  if (!isWanted(title)) return;
  process.stderr.write(`${title} ...\n`);
  const present = contestants.filter((one): one is Contestant => "slice" in one);
  const absent = contestants.filter((one): one is Result => !("slice" in one));
  const results = [...await race(present, measurement), ...absent];
  groups.push({ title, unit, results, ...(mark === undefined ? {} : { mark }) });
}

function isWanted(title: string): boolean {
  return title.includes(flags.only ?? "");
}

/** A peer, or the row that says why it is missing. */
async function open(name: string, opener: () => Promise<Peer>): Promise<Peer | Result> {
  return await opener().catch((error: unknown) => missing(name, String(error)));
}

const contestantsOf = (
  peers: readonly (Peer | Result)[],
  how: (peer: Peer) => Contestant,
): (Contestant | Result)[] => peers.map((peer) => "call" in peer ? how(peer) : peer);

async function calls(raw: RawPeer): Promise<void> {
  const peers = [await open("piscina", openPiscina), await open("poolifier", openPoolifier)];
  const actor = await openActor();
  const singles = contestantsOf(peers, oneAtATime);
  const batches = contestantsOf(peers, (peer) => inFlight(peer, IN_FLIGHT));
  const single: Measurement = { operations: 1_000, slices: 21 };
  const batch: Measurement = { operations: 20 * IN_FLIGHT, slices: 11 };
  const overPiscina: Mark = { than: "piscina", ratio: 0.7 };
  const overPoolifier: Mark = { than: "poolifier", ratio: 1 };
  const task = mobulaOneAtATime(callTask);
  await group("no-op task, one at a time", "calls", [task, ...singles, raw.roundTrip], single, overPiscina);
  await group(
    "no-op task, 1,000 in flight",
    "calls",
    [mobulaInFlight(callTask, IN_FLIGHT), ...batches],
    batch,
    overPoolifier,
  );
  const tasks: Contestant = { ...mobulaInFlight(callTask, IN_FLIGHT), name: "no-op tasks, 1,000 in flight" };
  await group("streamed items, one reader", "items", [streaming(), tasks], batch);
  await group(
    "actor call, one at a time",
    "calls",
    [mobulaOneAtATime(actor), ...singles, raw.roundTrip],
    single,
    { thanFastestOf: POOLS, ratio: 1.2 },
  );
  await group(
    "actor call, 1,000 in flight",
    "calls",
    [mobulaInFlight(actor, IN_FLIGHT), ...batches],
    batch,
    { thanFastestOf: POOLS, ratio: 2 },
  );
  for (const peer of peers) if ("call" in peer) await peer.close();
}

/** Actors with processes of their own, and several callers at once. */
async function actors(): Promise<void> {
  const created = "dedicated actors created and pinged, 100 at once";
  await group(created, "calls", [dedicatedActors()], { operations: 100, slices: 3, warmups: 1 }, {
    perSecondMin: 50,
  });
  const scaling = `${PAIRS} callers to ${PAIRS} actors, 1,000 in flight each`;
  if (!isWanted(scaling)) return;
  const one = "1 caller to 1 actor";
  await group(
    scaling,
    "calls",
    [await callersToActors(PAIRS, "mobula"), await callersToActors(1, one)],
    { operations: 20 * PAIRS * IN_FLIGHT, slices: 9 },
    { than: one, ratio: PAIRS_RATIO_MIN },
  );
}

async function objects(): Promise<void> {
  for (const [name, bytes, operations] of [["1 KB", KB, 2_000], ["1 MB", MB, 100]] as const) {
    await group(`put of ${name}`, "ms", [putting(bytes), memoryCopy(bytes)], { operations, bytes });
    await group(`get of ${name}`, "ms", [getting(bytes), memoryCopy(bytes)], { operations, bytes });
  }
}

/** The cost of a decision may grow with the logarithm of the number of nodes: 3 times from 10 to 1,000. */
async function scheduling(): Promise<void> {
  const kinds = [["plain", "no arguments"], ["argument", "a stored argument"], ["spread", "SPREAD"]] as const;
  for (const [kind, what] of kinds) {
    const title = `global decisions, 1,000 nodes beside fewer, ${what}`;
    if (!isWanted(title)) continue;
    const mark: Mark = { than: "10 nodes", ratio: 1 / COST_GROWTH_MAX };
    await group(title, "calls", deciding(kind), { operations: 5_000, slices: 11 }, mark);
  }
}

async function store(folder: string): Promise<void> {
  if (!isWanted("rows into the store")) return;
  const rows = await openStoreRows(folder);
  await group("rows into the store, behind", "rows", [rows.bulk], { operations: 20_000, slices: 5 });
  await group("rows into the store, one durable commit at a time", "rows", [rows.single], {
    operations: 300,
    slices: 5,
  });
  await rows.close();
}

/** Ray's 23 microbenchmarks, in a process of their own, which prints them; its figures. */
async function runSuite(folder: string): Promise<unknown> {
  const program = fileURLToPath(new URL("./peers/main.ts", import.meta.url));
  const json = join(folder, "suite.json");
  const args = [...SUITE, "--json", json];
  for (const name of ["markdown", "svg"] as const) {
    if (flags[name] !== undefined) args.push(`--${name}`, flags[name]);
  }
  if (flags["write-baseline"]) args.push("--write-baseline");
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "inherit", "inherit"] });
  const [code] = await once(child, "exit") as [number | null];
  if (code !== 0) throw new Error(`Ray's microbenchmarks ended with code ${code}`);
  return JSON.parse(readFileSync(json, "utf8"));
}

function load(): string {
  return loadavg()[0]!.toFixed(1);
}

function describeMachine(): string {
  const model = cpus()[0]?.model ?? "unknown processor";
  const runtime = process.versions["bun"] !== undefined
    ? `Bun ${process.versions["bun"]}`
    : `Node ${process.version}`;
  return `${cpus().length} x ${model}, ${
    Math.round(totalmem() / 2 ** 30)
  } GB, ${runtime}, load before ${load()}`;
}

const machine = describeMachine();
const startMs = performance.now();
const folder = mkdtempSync(join(tmpdir(), "mobula-bench-"));
try {
  const raw = await RawPeer.start(folder, MB);
  await startCluster();
  try {
    await calls(raw);
    await actors();
    await objects();
    await group("worker start", "ms", [workerStart()], { operations: 5, slices: 3, warmups: 1 }, {
      msMax: 150,
    });
  } finally {
    await stopCluster();
    await raw.stop();
  }
  await measureStore({ isWanted, group, add: (group) => groups.push(group), folder });
  await measureTransfers({ isWanted, group, add: (group) => groups.push(group), folder });
  await measureBroadcast({ isWanted, group, add: (group) => groups.push(group), folder });
  await measureLinkedTransfer({ isWanted, group, add: (group) => groups.push(group), folder });
  await scheduling();
  await store(folder);
  const scale = await measureScale(isWanted);
  const light = await measureLightActors(isWanted);
  const isSuite = isWanted("Ray's microbenchmarks");
  if (groups.length === 0 && scale === null && light === null && !isSuite) {
    throw new Error(`nothing that is measured has ${JSON.stringify(flags.only)} in its title`);
  }
  const table = formatTable(groups);
  const text = [table.text, scale?.text, light?.text].filter((part) => part !== undefined).join("\n\n");
  const missed = [...table.missed, ...scale?.missed ?? [], ...light?.missed ?? []];
  console.log(`${machine}\n\n${text}\n`);
  console.log(missed.length === 0 ? "All marks reached." : `Marks missed:\n  ${missed.join("\n  ")}`);
  const suite = isSuite ? await runSuite(folder) : null;
  const seconds = (performance.now() - startMs) / 1_000;
  const outcome = seconds <= SECONDS_MAX ? "in time" : "TOO LONG";
  console.log(`${outcome}: ${seconds.toFixed(0)} s in all, at most ${SECONDS_MAX} s; load after ${load()}`);
  if (flags.json !== undefined) {
    const figures = {
      machine,
      seconds,
      groups,
      scale: scale?.outcomes ?? [],
      lightActors: light?.figures ?? null,
      suite,
    };
    writeFileSync(flags.json, `${JSON.stringify(figures, null, 2)}\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exit(0);
