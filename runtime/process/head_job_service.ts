/**
 * What the HTTP API's job routes ask of the head: the submitted jobs, and folders that are given as texts.
 * @module
 */
import { deflateSync } from "node:zlib";
import type { JobService } from "../../dashboard/server/job_routes.ts";
import {
  checkEntries,
  CHUNK_BYTES,
  chunkKey,
  encodeManifest,
  FOLDER_LIMITS,
  type FolderEntry,
  manifestKey,
  sha256,
} from "../io/runtime_env/manifest.ts";
import type { FunctionTable } from "./head_functions.ts";
import type { HeadSubmissions } from "./head_submissions.ts";

export function jobService(submissions: HeadSubmissions, functions: FunctionTable): JobService {
  return {
    submit: async (job, files) => {
      if (files === null) return await submissions.submit(job);
      if ((job as { workingDir?: unknown }).workingDir !== undefined) {
        throw new TypeError("A job has files or a workingDir, not both");
      }
      const workingDir = await keepFiles(files, functions);
      return await submissions.submit({ ...job as object, workingDir });
    },
    stop: (submissionId) => submissions.stop(submissionId),
    rows: () => submissions.rows(),
    row: (submissionId, waitMs) => submissions.row(submissionId, waitMs),
    output: (submissionId, place, waitMs) => submissions.output(submissionId, place, waitMs),
  };
}

/** Packs texts by path into the function table, as a folder; its hash. TypeError, RuntimeEnvSetupError. */
async function keepFiles(
  files: Readonly<Record<string, string>>,
  functions: FunctionTable,
): Promise<string> {
  const isRecord = typeof files === "object" && !Array.isArray(files);
  if (!isRecord || !Object.values(files).every((text) => typeof text === "string")) {
    throw new TypeError("files must be an object of texts by path");
  }
  const paths = Object.keys(files).sort((a, b) => a < b ? -1 : 1);
  const contents = paths.map((path) => new TextEncoder().encode(files[path]));
  const entries = paths.map((path, i): FolderEntry => [path, "f", contents[i]!.length]);
  checkEntries(entries, FOLDER_LIMITS);
  const all = new Uint8Array(contents.reduce((sum, bytes) => sum + bytes.length, 0));
  let filled = 0;
  for (const bytes of contents) {
    all.set(bytes, filled);
    filled += bytes.length;
  }
  const chunks: [string, number][] = [];
  for (let at = 0; at < all.length; at += CHUNK_BYTES) {
    const chunk = all.subarray(at, at + CHUNK_BYTES);
    const hash = sha256(chunk);
    chunks.push([hash, chunk.length]);
    await functions.export(chunkKey(hash), "folder", "a job's files", [deflateSync(chunk)]);
  }
  const text = encodeManifest({ format: 1, entries, chunks });
  const hash = sha256(text);
  await functions.export(manifestKey(hash), "folder", "a job's files", [deflateSync(text)]);
  return hash;
}
