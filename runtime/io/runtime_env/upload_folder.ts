/**
 * Sends a scanned folder to the function table, unless it is there: chunks in parallel, then the manifest, then a mark that
 * all of it is there.
 * @module
 */
import { RuntimeEnvSetupError } from "../../common/errors.ts";
import { checkRatio, chunkKey, manifestKey } from "./manifest.ts";
import { packLimits, readChunks, type ScannedFolder } from "./pack_folder.ts";

/** Chunks on their way at once. */
const UPLOADS_MAX = 8;

/** The head's tables, as far as a folder needs them. */
export interface FolderSink {
  /** Whether a key of the key-value table exists. */
  has(key: string): Promise<boolean>;
  put(key: string, value: Uint8Array): Promise<void>;
  /** Into the function table. */
  export(hash: string, name: string, section: Uint8Array): Promise<void>;
}

/** Resolves, with whether anything had to be sent, when all of it is durable. RuntimeEnvSetupError when it cannot be sent. */
export async function uploadFolder(
  { root, manifest, text, hash }: ScannedFolder,
  sink: FolderSink,
): Promise<boolean> {
  const marker = `folder/${hash}`;
  if (await sink.has(marker)) return false;
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
    const upload: Promise<void> = sent(sink, chunkKey(expected), root, section).finally(() =>
      uploads.delete(upload)
    );
    upload.catch(() => undefined); // Awaited below.
    uploads.add(upload);
    if (uploads.size >= UPLOADS_MAX) await Promise.race(uploads);
  }
  await Promise.all(uploads);
  await sent(sink, manifestKey(hash), root, await deflated(text));
  await sink.put(marker, new TextEncoder().encode(JSON.stringify({ bytes, packed, root })));
  return true;
}

async function sent(sink: FolderSink, hash: string, root: string, section: Uint8Array): Promise<void> {
  try {
    await sink.export(hash, root.slice(-200), section);
  } catch (cause) {
    const { message } = cause as Error;
    throw new RuntimeEnvSetupError(`workingDir ${root} cannot be sent to the cluster: ${message}`, { cause });
  }
}

/** At the fastest level: a folder travels once, and its driver waits for it. */
function deflated(bytes: Uint8Array): Promise<Uint8Array> {
  // Loaded here: it is a tenth of a worker's start, and few workers give folders to others.
  const { deflate } = process.getBuiltinModule("node:zlib");
  return new Promise((resolve, reject) => {
    deflate(bytes, { level: 1 }, (error, result) => error === null ? resolve(result) : reject(error));
  });
}
