/**
 * Which texts the console takes for a statement, by their tokens alone.
 */
import { expect, test } from "bun:test";
import { parseStatement, SQL_LENGTH_MAX } from "../../../runtime/io/storage/sql_statement.ts";

test("a statement that reads is taken, without what ends it, with the names in it", () => {
  const statement = parseStatement(
    `  /* all */ SELECT "Name", [job id], 'it''s; no end' FROM \`tasks\` -- ; done\n ;; `,
  );
  expect(statement.kind).toBe("select");
  expect(statement.sql).toBe(`  /* all */ SELECT "Name", [job id], 'it''s; no end' FROM \`tasks\``);
  expect([...statement.names]).toEqual(["select", "name", "job id", "it's; no end", "from", "tasks"]);
  expect(parseStatement("with x as (select 1) select * from x").kind).toBe("select");
  expect(parseStatement("values (1)").kind).toBe("select");
  expect(parseStatement("explain query plan select 1").kind).toBe("explain");
  expect(parseStatement("PRAGMA table_info(tasks);").kind).toBe("pragma");
});

test("anything else is refused with a sentence", () => {
  const refused: [string, string][] = [
    ["", "no statement"],
    [" -- nothing\n;", "no statement"],
    ["select 1; select 2", "One statement"],
    ["select 1; -- and\n drop table tasks", "One statement"],
    ["delete from tasks", "only reads"],
    ["/* select */ update tasks set name = 1", "only reads"],
    ["attach 'x' as y", "only reads"],
    ["begin", "only reads"],
    ["'select'", "only reads"],
    ["PRAGMA query_only = off", "PRAGMAs"],
    ["PRAGMA query_only(0)", "PRAGMAs"],
    ["PRAGMA main.table_info(tasks)", "PRAGMAs"],
    ["PRAGMA table_info(tasks) = 1", "PRAGMAs"],
    ["PRAGMA wal_checkpoint", "PRAGMAs"],
    ["explain pragma query_only = off", "EXPLAIN"],
    ["explain delete from tasks", "EXPLAIN"],
    ["select '\0'", "NUL"],
    [`select '${"x".repeat(SQL_LENGTH_MAX)}'`, "characters"],
  ];
  for (const [text, why] of refused) expect(() => parseStatement(text), text).toThrow(why);
  for (const [text] of refused) expect(() => parseStatement(text)).toThrow(RangeError);
});
