/**
 * The folders that a process gives to its workers: packed when first needed, sent to the function table unless it has them
 * already, once per process and folder. What changes in the folder later is not seen.
 * @module
 */
import { resolve } from "node:path";
import { RuntimeEnvSetupError } from "../../common/errors.ts";
import { type LocalFolder, type RuntimeEnvRequest, withWorkingDir } from "../../common/runtime_env.ts";
import type { RuntimeEnvSpec } from "../../common/task_spec.ts";
import { checkRatio, chunkKey, manifestKey } from "../runtime_env/manifest.ts";
import { packLimits, readChunks, scanFolder, type ScannedFolder } from "../runtime_env/pack_folder.ts";
import type { AgentLink } from "./agent_link.ts";
import type { FolderAccess } from "./core_host.ts";

/** Chunks on their way at once. */
const UPLOADS_MAX = 8;
/** Packing lets others have a turn after this long. */
const TURN_MS = 5;

/** At the fastest level: a folder travels once, and its driver waits for it. */
function deflated(bytes: Uint8Array): Promise<Uint8Array> {
  // Loaded here: it is a tenth of a worker's start, and few workers give folders to others.
  const { deflate } = process.getBuiltinModule("node:zlib");
  return new Promise((resolve, reject) => {
    deflate(bytes, { level: 1 }, (error, result) => error === null ? resolve(result) : reject(error));
  });
}

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
        await this.#upload(scanned);
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

  async #upload({ root, manifest, text, hash }: ScannedFolder): Promise<void> {
    const marker = { key: `folder/${hash}` };
    const { result } = await this.#link.request("head", { method: "kvGet", params: marker });
    if ((result as { found: boolean }).found) return;
    const limits = packLimits();
    const uploads = new Set<Promise<void>>();
    let index = 0;
    let bytes = 0;
    let packed = 0;
    for (const chunk of readChunks(root, manifest.entries)) {
      const own = chunk.slice();
      const [expected] = manifest.chunks[index++] ?? [""];
      const section = await deflated(own);
      bytes += own.length;
      packed += section.length;
      checkRatio(bytes, packed, limits);
      // The hash is not taken again: the agent that unpacks it does, and says so.
      const upload: Promise<void> = this.#export(chunkKey(expected), root, section).finally(() =>
        uploads.delete(upload)
      );
      upload.catch(() => undefined); // Awaited below.
      uploads.add(upload);
      if (uploads.size >= UPLOADS_MAX) await Promise.race(uploads);
    }
    await Promise.all(uploads);
    await this.#export(manifestKey(hash), root, await deflated(text));
    const value = new TextEncoder().encode(JSON.stringify({ bytes, packed, root }));
    await this.#link.request("head", { method: "kvPut", params: { ...marker, overwrite: true } }, [value]);
  }

  async #export(hash: string, root: string, section: Uint8Array): Promise<void> {
    try {
      await this.#link.request("exportFunction", { hash, kind: "folder", name: root.slice(-200) }, [section]);
    } catch (cause) {
      const { message } = cause as Error;
      throw new RuntimeEnvSetupError(`workingDir ${root} cannot be sent to the cluster: ${message}`, {
        cause,
      });
    }
  }
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
