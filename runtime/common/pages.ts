/**
 * All rows of a list, page by page: for those who want no limit.
 * @module
 */

/** Rows that are asked for at once. */
const ROWS_PER_PAGE = 2_000;

/**
 * The pages of a list until there are no more rows, or until `limit` are told: each is asked for when the one before is done
 * with. `ask` is any way to the state API (the head's method `list`).
 * @throws {RangeError} for a limit that is no whole number from 1.
 */
export async function* allPages<
  P extends { readonly rows: readonly unknown[]; readonly next: string | null },
>(
  ask: (part: { readonly limit: number; readonly after?: string }) => Promise<P>,
  { limit = Infinity, after }: { readonly limit?: number | undefined; readonly after?: string | undefined } =
    {},
): AsyncGenerator<P, void, void> {
  if (limit !== Infinity && !(Number.isInteger(limit) && limit >= 1)) {
    throw new RangeError(`limit ${limit} is not a whole number from 1`);
  }
  let left = limit;
  let cursor = after;
  for (;;) {
    const part = { limit: Math.min(left, ROWS_PER_PAGE) };
    const page = await ask(cursor === undefined ? part : { ...part, after: cursor });
    yield page;
    left -= page.rows.length;
    if (page.next === null || left <= 0) return;
    cursor = page.next;
  }
}
