/**
 * One colour per function, the same on every page as long as the page lives: the one that its name's hash points at, or the
 * next that no other function has. Twelve are told apart; beyond, they come again.
 * @module
 */

/** Colours `--fn-0` to `--fn-11` of the style sheet. */
export const FUNCTION_COLOURS = 12;

const slots = new Map<string, number>();
const taken = new Set<number>();
/** Names that are remembered; beyond, the hash alone decides. */
const NAMES_MAX = 2_000;

/** The number of the function's colour. */
export function functionColour(name: string): number {
  const known = slots.get(name);
  if (known !== undefined) return known;
  let slot = hashOf(name) % FUNCTION_COLOURS;
  if (slots.size >= NAMES_MAX) return slot;
  if (taken.size < FUNCTION_COLOURS) { while (taken.has(slot)) slot = (slot + 5) % FUNCTION_COLOURS; }
  taken.add(slot);
  slots.set(name, slot);
  return slot;
}

function hashOf(text: string): number {
  let hash = 2_166_136_261;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 16_777_619);
  return hash >>> 0;
}

/** The colours in force now, by number. */
export function functionPalette(): string[] {
  const style = getComputedStyle(document.documentElement);
  return Array.from({ length: FUNCTION_COLOURS }, (_, i) => style.getPropertyValue(`--fn-${i}`).trim());
}
