/**
 * What the console lists beside its editor.
 * @module
 */
import { NotFound, type Query } from "./query.ts";

export const SQL_QUERIES: readonly Query[] = [{
  name: "sql/tables",
  everyMs: 60_000,
  run(_params, { console }): unknown {
    if (console === undefined) throw new NotFound("this head has no console");
    return console.ask("tables", {});
  },
}];
