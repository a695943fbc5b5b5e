/**
 * How strongly a cell of a heat map is coloured. Bytes differ by powers: by their root, small ones can still be told from none.
 * @module
 */

/** The weakest colour of something. */
const FAINTEST = 0.08;

/** 0 for nothing, else from FAINTEST to 1 for the largest. */
export function heat(value: number, largest: number): number {
  if (value <= 0 || largest <= 0) return 0;
  return Math.max(FAINTEST, Math.min(1, Math.sqrt(value / largest)));
}
