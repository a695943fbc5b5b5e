/**
 * The theme's colours for what draws on a canvas. palette.css owns them.
 * @module
 */

export interface ThemeColours {
  readonly text: string;
  readonly muted: string;
  readonly line: string;
  readonly panel: string;
  readonly raised: string;
  readonly accent: string;
  readonly waiting: string;
  readonly running: string;
  readonly finished: string;
  readonly finishedFaint: string;
  readonly failed: string;
  readonly data: string;
  /** One per node of the cluster, in turn. */
  readonly nodes: readonly string[];
  /** One per function, by functionColourIndex. */
  readonly functions: readonly string[];
  readonly font: string;
}

export const NODE_COLOURS = 8;
export const FUNCTION_COLOURS = 10;

const slots = new Map<string, number>();
const taken = new Set<number>();
/** Names that are remembered; beyond, the hash alone decides. */
const NAMES_MAX = 2_000;

/**
 * The number of a function's colour (`--fn-<n>`), the same for one name wherever it is shown: the one that its hash points at,
 * or the next that no other function has, as long as there are any.
 */
export function functionColourIndex(name: string): number {
  const known = slots.get(name);
  if (known !== undefined) return known;
  let hash = 2_166_136_261;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 16_777_619);
  // The last one is a grey, which also says "waiting": it is for the tenth function.
  const colours = FUNCTION_COLOURS - 1;
  let slot = (hash >>> 0) % colours;
  if (slots.size >= NAMES_MAX) return slot;
  if (taken.size < colours) { while (taken.has(slot)) slot = (slot + 1) % colours; }
  else if (taken.size === colours) slot = colours;
  taken.add(slot);
  slots.set(name, slot);
  return slot;
}

/** The colours in force now. */
export function cssColours(): ThemeColours {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("text"),
    muted: colour("muted"),
    line: colour("line"),
    panel: colour("panel"),
    raised: colour("raised"),
    accent: colour("accent"),
    waiting: colour("waiting"),
    running: colour("running"),
    finished: colour("finished"),
    finishedFaint: colour("finished-faint"),
    failed: colour("failed"),
    data: colour("data"),
    nodes: Array.from({ length: NODE_COLOURS }, (_, i) => colour(`node-${i}`)),
    functions: Array.from({ length: FUNCTION_COLOURS }, (_, i) => colour(`fn-${i}`)),
    font: colour("font"),
  };
}

/** Calls back when the system or the viewer switches between dark and light; the answer stops it. */
export function onThemeChange(callback: () => void): () => void {
  const query = matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", callback);
  addEventListener("schemechange", callback);
  return () => {
    query.removeEventListener("change", callback);
    removeEventListener("schemechange", callback);
  };
}
