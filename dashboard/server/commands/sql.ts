/**
 * `POST /api/v1/sql {"sql": "SELECT …", "limit": 1000}`: one statement that reads the store. A command, because it can keep
 * a process busy: viewers do not get it.
 * @module
 */
import type { SqlRequest } from "../../api/sql.ts";
import { NotFound } from "../queries/query.ts";
import type { Command } from "./registry.ts";

export const SQL_ROWS_DEFAULT: number = 1_000;
export const SQL_ROWS_MAX: number = 10_000;

export const SQL_COMMAND: Command = {
  name: "sql",
  run(body, { console }): unknown {
    if (console === undefined) throw new NotFound("this head has no console");
    const { sql, limit = SQL_ROWS_DEFAULT } = body as Partial<SqlRequest>;
    if (typeof sql !== "string") throw new RangeError('the body needs a text "sql"');
    if (!Number.isSafeInteger(limit) || limit < 1 || limit > SQL_ROWS_MAX) {
      throw new RangeError(`limit must be a whole number from 1 to ${SQL_ROWS_MAX}`);
    }
    return console.ask("sql", { sql, limit });
  },
};
