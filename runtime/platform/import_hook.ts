/**
 * Answers the import of a module with values that are there already, where `node:module` has hooks.
 * @module
 */
import * as modules from "node:module";
import type { AnswerImport } from "./platform.ts";

/** See AnswerImport in platform.ts. */
export const answerByHook: AnswerImport = (module, exports) => {
  const key = "mobula.exports";
  modules.registerHooks({
    load(url, context, next) {
      if (url !== module.href) return next(url, context);
      const values = exports();
      Object.defineProperty(globalThis, Symbol.for(key), { value: values, configurable: true });
      const names = Object.keys(values).join(", ");
      const source = `export const { ${names} } = globalThis[Symbol.for("${key}")];`;
      return { format: "module", shortCircuit: true, source };
    },
  });
};
