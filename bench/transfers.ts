/**
 * Transfers of one large object between two nodes beside a bare `node:http2` stream: on this machine, and over a link that
 * limits each connection, as networks do. The bare stream's bytes are kept as ours are: copied into warm memory. Always in pairs, one after the other, so that whatever else the machine does hits
 * both alike; told is the pair with the median ratio. All memory is warm at both ends.
 * @module
 */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { currentDriver } from "../runtime/api/init.ts";
import { TRANSFER_CONNECTIONS } from "../runtime/common/config.ts";
import { init, type ObjectRef, release, remote, shutdown, wait } from "../runtime/mod.ts";
import { LinkedCluster } from "./linked_cluster.ts";
import { check } from "./pools.ts";
import { RawPeer } from "./raw.ts";
import { ShapedLinks } from "./shaped_links.ts";
import type { Bench } from "./store.ts";
import { type Contestant, missing, type Result, sideBySide } from "./timing.ts";

const MB = 1024 * 1024;
const GB = 1024 * MB;
const PAIRS = 9;
const TIMEOUT_MS = 60_000;
const VARIABLE = "MOBULA_TRANSFER_CONNECTIONS";
const ONE = "store: transfer of 1 GB between two agents, one connection";
const SEVERAL = `store: transfer of 1 GB between two agents, ${TRANSFER_CONNECTIONS} connections`;
/** Of each connection. */
const MEGABITS = 400;
const LINK_BYTES = 128 * MB;
const LINK_PAIRS = 3;
const LINKED =
  `store: transfer of 128 MB, ${TRANSFER_CONNECTIONS} connections of at most ${MEGABITS} Mbit/s each`;
/** Room for the object that is moved. It is less than the share from which on a store spills: else its holder would write it
 *  to disk while it sends it (measured: twice the processor time of the sender, and three times its spread). */
const STORE_BYTES = 1.5 * GB;

const make = remote((bytes: number) => new Uint8Array(bytes).fill(1));
const on = (nodeId: string) => ({ schedulingStrategy: { nodeId } });

/** On this machine, from another node of an embedded cluster to this process's own. */
export async function measureTransfers(bench: Bench): Promise<void> {
  for (const [title, connections] of [[ONE, "1"], [SEVERAL, ""]] as const) {
    if (!bench.isWanted(title)) continue;
    process.stderr.write(`${title} ...\n`);
    const before = process.env[VARIABLE] ?? "";
    process.env[VARIABLE] = connections;
    const raw = await RawPeer.start(mkdtempSync(join(bench.folder, "raw-")), GB);
    await init({ numCpus: 1, objectStoreBytes: STORE_BYTES, dashboard: false, logToDriver: false });
    try {
      const far = { numCpus: 1, objectStoreBytes: STORE_BYTES, prestart: 1 };
      const source = (await currentDriver()!.local!.addAgent(far)).ready.nodeId;
      const results = await pairs(source, raw, GB, PAIRS);
      bench.add({ title, unit: "bytes", results, mark: { than: raw.stream.name, ratio: 0.9 } });
    } finally {
      await shutdown();
      await raw.stop();
      process.env[VARIABLE] = before;
    }
  }
}

/** Over a link, from a host of its own to this machine. */
export async function measureLinkedTransfer(bench: Bench): Promise<void> {
  if (!bench.isWanted(LINKED)) return;
  process.stderr.write(`${LINKED} ...\n`);
  const reason = ShapedLinks.whyNot();
  if (reason !== null) {
    return bench.add({ title: LINKED, unit: "bytes", results: [missing("mobula", reason)] });
  }
  const links = ShapedLinks.make(1, MEGABITS, "each connection");
  const cluster = new LinkedCluster(links, mkdtempSync(join(bench.folder, "link-")), 2.5 * LINK_BYTES);
  let raw: RawPeer | null = null;
  try {
    const [source] = await cluster.start(1);
    const place = { host: links.addressOf(0), command: links.commandOn(0) };
    raw = await RawPeer.start(mkdtempSync(join(bench.folder, "raw-")), LINK_BYTES, place);
    const results = await pairs(source!, raw, LINK_BYTES, LINK_PAIRS);
    bench.add({ title: LINKED, unit: "bytes", results, mark: { than: raw.stream.name, ratio: 1.01 } });
  } finally {
    await raw?.stop();
    await cluster.stop();
    links.remove();
  }
}

async function pairs(
  source: string,
  raw: RawPeer,
  bytes: number,
  count: number,
): Promise<Result[]> {
  let object: ObjectRef<Uint8Array> | null = null;
  const prepare = async (): Promise<void> => {
    if (object !== null) release(object);
    object = make.options(on(source)).remote(bytes);
    await wait([object], { fetchLocal: false, timeoutMs: TIMEOUT_MS });
  };
  const own: Contestant = {
    name: "mobula",
    slice: async () => {
      // Nobody maps it here: its room is free as soon as it is released.
      check((await wait([object!], { timeoutMs: TIMEOUT_MS }))[0].length, 1);
    },
  };
  const results = await sideBySide([own, raw.stream], { operations: 1, slices: count, bytes }, prepare);
  if (object !== null) release(object);
  return results;
}
