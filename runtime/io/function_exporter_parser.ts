/**
 * What the function exporter needs in a process: the modules that functions are defined in, and a parser. Loaded when the first function is exported: most workers never do, and it is a
 * tenth of their start.
 * @module
 */
import type * as acorn from "acorn";
import { requirePackage } from "../platform/runtime_folder.ts";
import { bundledSource } from "./code_bundle/bundle_loader.ts";
import { exportFromModule } from "./code_bundle/module_export.ts";
import { rememberSent } from "./code_bundle/source_stacks.ts";
import { useModules, useParser } from "./function_exporter.ts";
import { callersOf, declaresName } from "./function_exporter_names.ts";

/** Call it before the first export. */
export function useParserOfProcess(): void {
  useModules({ bundledSource, exportFromModule, callersOf, declaresName, rememberSent });
  useParser(() => requirePackage("acorn") as typeof acorn);
}
