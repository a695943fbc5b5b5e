/**
 * `mobula status`: the nodes, what of their resources is used, and what waits and why.
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { byteText } from "../common/byte_text.ts";
import type { AttentionDto, AttentionItem } from "../../dashboard/api/now.ts";
import { describeResources, fromUnits, unitOf } from "../common/resources.ts";
import type { DemandRow, HeadMethods, NodeRow } from "../protocol/messages.ts";
import { type HeadClient, withHead } from "./head_client.ts";
import { dim, drained, print, printJson, table } from "./print.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

type ClusterInfo = HeadMethods["clusterInfo"]["result"];

/** What needs attention, of this so much. */
const ATTENTION_SHOWN = 5;

export const statusCommand: CommandDefinition = {
  name: "status",
  summary: "nodes, resources, what waits and why",
  flags: {
    ...COMMON_FLAGS,
    watch: {
      type: "boolean",
      short: "w",
      help: "again and again, until Ctrl-C; with --json a line each time",
    },
    interval: { type: "string", value: "SECONDS", help: "between two looks with --watch; default 1" },
  },
  examples: [
    ["mobula status", "one screen"],
    ["mobula status --watch", "the same, every second"],
    ["mobula status --json", "the same for scripts"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const intervalMs = 1_000 * (flags.number("interval", 0.1) ?? 1);
  const isJson = flags.isSet("json");
  await withHead(flags, async (head) => {
    if (!flags.isSet("watch")) {
      const info = await head.ask("clusterInfo", {});
      if (isJson) return printJson(statusJson(info));
      return printStatus(info, await attention(head), await freshLink(head, info));
    }
    for (;;) {
      const info = await head.ask("clusterInfo", {});
      if (isJson) print(JSON.stringify(statusJson(info)));
      else {
        // Above what was there, and nothing of that below; a pipe gets one after the other.
        if (process.stdout.isTTY === true) process.stdout.write("\x1b[H\x1b[2J");
        printStatus(info, await attention(head), info.dashboardUrl);
        print(dim(`${new Date().toLocaleTimeString()}, every ${intervalMs / 1_000} s; Ctrl-C ends it`));
      }
      await drained();
      await delay(intervalMs);
    }
  });
  return 0;
}

/** What needs somebody's attention, the worst first. */
async function attention(head: HeadClient): Promise<readonly AttentionItem[]> {
  const { data } = await head.ask("query", { question: "attention" });
  return (data as AttentionDto).items;
}

/** The stable form for scripts: quantities as users write them, resources by name with used and total. */
function statusJson(info: ClusterInfo): unknown {
  return {
    clusterId: info.clusterId,
    address: info.address,
    dashboardUrl: info.dashboardUrl,
    store: info.store,
    sessionDir: info.sessionDir,
    nodes: info.nodes.map((node) => ({
      nodeId: node.nodeId,
      state: node.state,
      stateMessage: node.stateMessage,
      drain: node.drain ?? null,
      address: node.address,
      hostname: node.hostname,
      runtime: node.runtime,
      isHeadNode: node.isHeadNode,
      labels: node.labels,
      resources: usage([node]),
      objectStore: {
        usedBytes: node.storeUsedBytes,
        totalBytes: node.objectStoreBytes,
        objects: node.storeObjects,
        spilledBytes: node.storeSpilledBytes,
      },
      workers: node.workers,
      memoryKills: node.memoryKills,
      cpuPercent: node.cpuPercent,
      rssBytes: node.rssBytes,
    })),
    resources: usage(alive(info.nodes)),
    demand: info.demand.map((row) => ({ ...row, resources: fromUnits(row.resources) })),
  };
}

function printStatus(info: ClusterInfo, items: readonly AttentionItem[], link: string | null): void {
  print(`cluster ${info.clusterId} at ${info.address}`);
  print(`dashboard ${link ?? "off"}${link === null ? "" : dim("   (signs one browser in)")}`);
  print(`store ${info.store}`);
  print();
  print(table(
    ["NODE", "STATE", "ADDRESS", "RUNTIME", "USED", "STORE", "OBJECTS", "WORKERS"],
    info.nodes.map((node) => [
      node.nodeId + (node.isHeadNode ? " (head)" : ""),
      stateText(node),
      node.address,
      node.runtime,
      node.state === "DEAD" ? node.stateMessage : usageText([node]),
      `${byteText(node.storeUsedBytes)} of ${byteText(node.objectStoreBytes)}` +
      (node.storeSpilledBytes === 0 ? "" : `, ${byteText(node.storeSpilledBytes)} on disk`),
      String(node.storeObjects),
      String(node.workers),
    ]),
  ));
  print();
  print(`used: ${usageText(alive(info.nodes)) || "no node is alive"}`);
  if (info.demand.length === 0) print("nothing waits");
  else {
    print("waiting:");
    print(table(["COUNT", "WHAT", "NEEDS", "WHY"], info.demand.map(demandCells)));
  }
  // What waits is told above, with its reason.
  const others = items.filter(({ kind }) => kind !== "demand");
  if (others.length > 0) print("attention:");
  for (const { severity, title, detail } of others.slice(0, ATTENTION_SHOWN)) {
    print(`  ${severity.padEnd(4)}  ${title}${detail === "" ? "" : `: ${detail.split("\n")[0]}`}`);
  }
  if (others.length > ATTENTION_SHOWN) print(`  ${others.length - ATTENTION_SHOWN} more on the dashboard`);
}

/** A node that is drained, with the time that it has left. */
function stateText({ state, drain }: NodeRow): string {
  if (drain === undefined) return state;
  return `${state} (draining, ${Math.max(0, Math.round((drain.deadlineMs - Date.now()) / 1_000))} s left)`;
}

function demandCells(row: DemandRow): string[] {
  return [String(row.count), row.name, describeResources(row.resources), row.reason];
}

function alive(nodes: readonly NodeRow[]): NodeRow[] {
  return nodes.filter((node) => node.state !== "DEAD");
}

/** Used and total by resource, in whole quantities. */
function usage(nodes: readonly NodeRow[]): Record<string, { used: number; total: number }> {
  const sums: Record<string, { used: number; total: number }> = {};
  for (const node of nodes) {
    for (const [name, total] of Object.entries(node.resources)) {
      const sum = sums[name] ??= { used: 0, total: 0 };
      sum.total += total;
      sum.used += total - (node.available[name] ?? 0);
    }
  }
  // Added up in fixed point, so that a thousand tenths are a hundred.
  for (const [name, sum] of Object.entries(sums)) {
    sum.used /= unitOf(name);
    sum.total /= unitOf(name);
  }
  return sums;
}

function usageText(nodes: readonly NodeRow[]): string {
  return Object.entries(usage(nodes)).map(([name, { used, total }]) =>
    name === "memory" ? `${name} ${byteText(used)} of ${byteText(total)}` : `${name} ${used} of ${total}`
  ).join(", ");
}

async function freshLink(head: HeadClient, info: ClusterInfo): Promise<string | null> {
  return info.dashboardUrl === null ? null : (await head.ask("dashboardLink", {})).url;
}
