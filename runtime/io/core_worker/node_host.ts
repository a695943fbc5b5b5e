/**
 * The core worker's host in a process on Bun, Deno or Node.
 * @module
 */
import { collectGarbage, giveWay } from "#platform";
import { hideOwnFrames } from "../../common/error_report.ts";
import { userStack } from "../code_bundle/bundle_stacks.ts";
import { rememberAlso, useSourceStacks } from "../code_bundle/source_stacks.ts";
import { textSetting } from "../environment.ts";
import { useParserOfProcess } from "../function_exporter_parser.ts";
import { loadCodec } from "../function_loader.ts";
import { ObjectReader } from "../store/object_reader.ts";
import { ObjectWriter } from "../store/object_writer.ts";
import { PoolFiles } from "../store/pool_files.ts";
import { loadCode } from "./caller.ts";
import type { CoreHost, PoolAccess } from "./core_host.ts";
import { giveWayBy } from "./stay_awake.ts";
import { WorkingDirs } from "./working_dirs.ts";

// Whoever exports code comes by here first: without a core worker nobody does.
useParserOfProcess();
giveWayBy(giveWay);

/** See the module's header. */
export const nodeHost: CoreHost = {
  openFolders: (link) => new WorkingDirs(link),
  openPool,
  loadCodec,
  loadFunction: (definition, core) => loadCode(core, definition, []),
  sameSource: rememberAlso,
  readStack: (error) => {
    useSourceStacks(error);
    if (textSetting("MOBULA_STACK") !== "full") hideOwnFrames(error);
  },
  userLines: userStack,
  collectGarbage,
};

function openPool(): PoolAccess {
  const files = new PoolFiles();
  const reader = new ObjectReader(files);
  const writer = new ObjectWriter(files);
  return {
    read: (place, onReleased) => reader.read(place, onReleased),
    write: (place, parts) => writer.write(place, parts),
    close: () => files.close(),
  };
}
