/**
 * "Why is it not running?", in one sentence: what `mobula why` says.
 * @module
 */
import { NotFound, type Query } from "./query.ts";

/** The head asks nodes and processes: not every second. */
const EVERY_MS = 2_000;

export const WHY_QUERIES: readonly Query[] = [
  {
    name: "why",
    everyMs: EVERY_MS,
    async run(params, { why }): Promise<unknown> {
      const id = params.required("id");
      if (why === undefined) throw new NotFound("nobody here knows why");
      return { id, sentence: await why(id) };
    },
  },
];
