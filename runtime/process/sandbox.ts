/**
 * How a restricted worker's process is started: what Deno is told to allow, and which variables it has. Whatever is not
 * granted here or by the user is denied: files, the network, processes, native code, variables, remote modules.
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PERMISSION_NAMES } from "../common/runtime_env.ts";
import type { Permissions } from "../common/task_spec.ts";
import { RUNTIME_URL } from "../platform/runtime_folder.ts";
import { PROCESS_CONFIG_VARIABLE } from "./config.ts";

/** Variables of the agent that a restricted worker's process has too. Reading them still needs the permission. */
const KEPT: readonly string[] = ["HOME", "DENO_DIR", "XDG_CACHE_HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];
/** Variables that mobula itself reads in a worker. */
const OWN: readonly string[] = [
  PROCESS_CONFIG_VARIABLE,
  "MOBULA_MAX_LINEAGE_BYTES",
  "MOBULA_MAX_PENDING_TASKS",
  "MOBULA_TASK_MAX_RETRIES",
  "MOBULA_TASK_OOM_RETRIES",
  "MOBULA_MAX_WORKING_DIR_BYTES",
  "MOBULA_GCS_REQUEST_TIMEOUT_MS",
  "MOBULA_LOG_LEVEL",
  "MOBULA_STACK",
  "MOBULA_RECORD_CALL_SITES",
  "MOBULA_RECORD_TASKS",
];

/** mobula's own modules: what `import("mobula")` reads. */
const RUNTIME: string = fileURLToPath(RUNTIME_URL);

/** What the flags need to know of the process. */
export interface SandboxPlaces {
  readonly sessionDir: string;
  readonly agentSocket: string;
  readonly socketPath: string;
  readonly tokenPath: string;
  readonly storeDir: string;
}

export function sandboxVariables(all: NodeJS.ProcessEnv): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of KEPT) if (all[name] !== undefined) kept[name] = all[name];
  return kept;
}

/** Deno's flags for these permissions, with what the worker itself needs and no more. */
export function sandboxFlags(permissions: Permissions, places: SandboxPlaces): string[] {
  const { sessionDir, agentSocket, socketPath, tokenPath, storeDir } = places;
  const sockets = [agentSocket, socketPath];
  const needs: Readonly<Record<string, readonly string[]>> = {
    net: sockets.map((path) => `unix:${path}`),
    read: [...sockets, RUNTIME],
    write: sockets,
    env: OWN,
  };
  const flags = ["--no-prompt"];
  for (const name of PERMISSION_NAMES) {
    const granted = permissions[name] ?? false;
    const list = [...(Array.isArray(granted) ? granted as string[] : []), ...(needs[name] ?? [])];
    if (granted === true) flags.push(`--allow-${name}`);
    else if (list.length > 0) flags.push(`--allow-${name}=${list.map(escapeComma).join(",")}`);
    // Denied, the default hosts would still be asked.
    else if (name === "import") flags.push("--deny-import", "--no-remote");
  }
  // What holds secrets or other people's bytes stays closed, whatever was granted.
  const closed = [
    tokenPath,
    ...["store", "logs", "cluster.json"].map((name) => join(sessionDir, name)),
    "/dev/shm",
    storeDir,
  ].map(escapeComma).join(",");
  return [...flags, `--deny-read=${closed}`, `--deny-write=${closed}`];
}

/** Deno splits at single commas. */
function escapeComma(text: string): string {
  return text.replaceAll(",", ",,");
}
