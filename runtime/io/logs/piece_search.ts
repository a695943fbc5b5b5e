/**
 * Whether the bytes of a piece hold the texts that every match of a pattern has.
 * @module
 */
import type { RequiredTexts } from "../../core/logs/required_texts.ts";

/** ASCII letters as small ones. */
const FOLD: Uint8Array = Uint8Array.from(
  { length: 256 },
  (_, byte) => byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte,
);

type Finder = (piece: Buffer) => boolean;

/** A test of pieces that says no only of one that has no match. */
export function pieceSearch(required: RequiredTexts | null, ignoreCase: boolean): Finder {
  if (required === null) return () => true;
  const alternatives = required.map((texts) => texts.map((text) => ignoreCase ? folded(text) : exact(text)));
  return (piece) => alternatives.some((finders) => finders.every((find) => find(piece)));
}

function exact(text: string): Finder {
  const bytes = Buffer.from(text);
  return (piece) => piece.includes(bytes);
}

/** Horspool's search over folded bytes: `text` is lower case and ASCII. */
function folded(text: string): Finder {
  const wanted = Buffer.from(text);
  const last = wanted.length - 1;
  const skips = new Uint32Array(256).fill(wanted.length);
  for (let i = 0; i < last; i++) skips[wanted[i]!] = last - i;
  return (piece) => {
    for (let at = last; at < piece.length;) {
      const byte = FOLD[piece[at]!]!;
      let i = last;
      if (byte === wanted[last]) { for (i--; i >= 0 && FOLD[piece[at - last + i]!] === wanted[i];) i--; }
      if (i < 0) return true;
      at += skips[byte]!;
    }
    return false;
  };
}
