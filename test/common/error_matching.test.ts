/**
 * Goal: `instanceof` with classes of the user holds for errors that arrived from elsewhere, and nothing else changes.
 * Method: the same program under the three runtimes; its whole table is compared.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

const BEFORE = {
  validation: "Error TaskError MobulaError",
  range: "Error TaskError MobulaError",
  lost: "Error TaskError MobulaError ObjectLostError",
  anonymous: "Error TaskError MobulaError",
  nested: "Error TaskError MobulaError",
  local: "Error AppError ValidationError",
  typeError: "Error TypeError",
  aggregate: "Error AggregateError",
  dom: "Error DOMException",
  strict: "",
  plain: "Plain",
  null: "",
  undefined: "",
  string: "",
  picky: "Picky",
  array: "Array",
  bare: "",
};

for (const runtime of RUNTIMES) {
  test(`on ${runtime} an arrived error is an instance of its class and bases by name, all else is as before`, async () => {
    const { before, after, installed, more } = JSON.parse(
      await runProgram(runtime, join(import.meta.dir, "error_matching_program.ts")),
    );
    expect(before).toEqual(BEFORE);
    expect(after).toEqual({
      ...BEFORE,
      validation: "Error AppError ValidationError TaskError MobulaError",
      range: "Error RangeError RangeLike TaskError MobulaError",
      nested: "Error AppError ValidationError TaskError MobulaError",
    });
    expect(installed).toEqual([true, true]);
    expect(more).toEqual({
      bound: true,
      anonymous: false,
      notCallable: "false",
      isError: true,
      enumerable: false,
    });
  });
}
