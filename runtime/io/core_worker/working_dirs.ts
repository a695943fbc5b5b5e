/**
 * The folders that a process gives to its workers: packed when first needed, sent to the function table unless it has them
 * already, once per process and folder. What changes in the folder later is not seen.
 * @module
 */
import { resolve } from "node:path";
import { type LocalFolder, type RuntimeEnvRequest, withWorkingDir } from "../../common/runtime_env.ts";
import type { RuntimeEnvSpec } from "../../common/task_spec.ts";
import { packLimits, scanFolder, type ScannedFolder } from "../runtime_env/pack_folder.ts";
import { type FolderSink, uploadFolder } from "../runtime_env/upload_folder.ts";
import type { AgentLink } from "./agent_link.ts";
import type { FolderAccess } from "./core_host.ts";

/** Packing lets others have a turn after this long. */
const TURN_MS = 5;

/** See the module's header. */
export class WorkingDirs implements FolderAccess {
  readonly #link: AgentLink;
  /** Folders by path and excludes: their hash once they are in the function table. */
  readonly #sent = new Map<string, Promise<string>>();
  /** As soon as it is known. */
  readonly #hashes = new Map<string, string>();

  constructor(link: AgentLink) {
    this.#link = link;
  }

  /** The environment as agents know it. RuntimeEnvSetupError when its folder cannot be packed or sent. */
  async resolve(env: RuntimeEnvRequest): Promise<RuntimeEnvSpec> {
    const { folder } = env;
    if (folder === undefined) return env;
    return withWorkingDir(env, await this.#send(folder, () => inTurns(scanFolder(folder, packLimits()))));
  }

  /** The hash of a folder at once, for an option that travels in a value; it is sent behind it. */
  hashNow(folder: LocalFolder): string {
    const known = this.#hashes.get(keyOf(folder));
    if (known !== undefined) return known;
    const scanned = atOnce(scanFolder(folder, packLimits()));
    // Who needs it waits for it in the function table, and hears there that it never came.
    this.#send(folder, () => Promise.resolve(scanned)).catch(() => undefined);
    return scanned.hash;
  }

  #send(folder: LocalFolder, scan: () => Promise<ScannedFolder>): Promise<string> {
    const key = keyOf(folder);
    let sent = this.#sent.get(key);
    if (sent === undefined) {
      sent = scan().then(async (scanned) => {
        this.#hashes.set(key, scanned.hash);
        await uploadFolder(scanned, sinkOf(this.#link));
        return scanned.hash;
      });
      this.#sent.set(key, sent);
      // The user may mend the folder and try again.
      sent.catch(() => {
        this.#sent.delete(key);
        this.#hashes.delete(key);
      });
    }
    return sent;
  }
}

/** The head's tables by way of the agent. */
function sinkOf(link: AgentLink): FolderSink {
  return {
    has: async (key) => {
      const { result } = await link.request("head", { method: "kvGet", params: { key } });
      return (result as { found: boolean }).found;
    },
    put: async (key, value) => {
      await link.request("head", { method: "kvPut", params: { key, overwrite: true } }, [value]);
    },
    export: async (hash, name, section) => {
      await link.request("exportFunction", { hash, kind: "folder", name }, [section]);
    },
  };
}

function keyOf({ path, excludes }: LocalFolder): string {
  return JSON.stringify([resolve(path), excludes]);
}

function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  let turnMs = performance.now();
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() - turnMs < TURN_MS) continue;
    await new Promise((done) => setImmediate(done));
    turnMs = performance.now();
  }
}
