/**
 * SHA-256 (FIPS 180-4) for where it must be had at once and everywhere: the web's own is asynchronous, and Node's is not in
 * a browser. For code and other small things; about 100 MB/s.
 * @module
 */

/** Fractional parts of the cube roots of the first 64 primes. */
const K: Uint32Array = fractions(64, Math.cbrt);
/** Fractional parts of the square roots of the first 8 primes. */
const START: Uint32Array = fractions(8, Math.sqrt);

const encoder = new TextEncoder();

/** The hash of the parts one after the other, as lowercase hexadecimal. Texts count as UTF-8. */
export function sha256Hex(...parts: readonly (string | Uint8Array)[]): string {
  const bytes = parts.map((part) => typeof part === "string" ? encoder.encode(part) : part);
  const length = bytes.reduce((sum, part) => sum + part.length, 0);
  // A one bit, zeros, and the length in bits as 64 bits, up to a whole block.
  const padded = new Uint8Array((length + 9 + 63) & ~63);
  let at = 0;
  for (const part of bytes) {
    padded.set(part, at);
    at += part.length;
  }
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(length / 0x2000_0000));
  view.setUint32(padded.length - 4, (length << 3) >>> 0);
  const state = Uint32Array.from(START);
  const schedule = new Uint32Array(64);
  for (let block = 0; block < padded.length; block += 64) addBlock(state, view, block, schedule);
  let text = "";
  for (const word of state) text += word.toString(16).padStart(8, "0");
  return text;
}

function addBlock(state: Uint32Array, view: DataView, at: number, w: Uint32Array): void {
  for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15]!;
    const y = w[i - 2]!;
    const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ (x >>> 3);
    const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ (y >>> 10);
    w[i] = w[i - 16]! + s0 + w[i - 7]! + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as number[] as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  for (let i = 0; i < 64; i++) {
    const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
    const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  const added = [a, b, c, d, e, f, g, h];
  for (let i = 0; i < 8; i++) state[i] = state[i]! + added[i]!;
}

/** The first 32 bits behind the point of a root of each of the first primes. */
function fractions(count: number, root: (of: number) => number): Uint32Array {
  const words: number[] = [];
  for (let n = 2; words.length < count; n++) {
    let isPrime = true;
    for (let k = 2; k * k <= n; k++) if (n % k === 0) isPrime = false;
    if (isPrime) words.push((root(n) % 1) * 0x1_0000_0000);
  }
  return Uint32Array.from(words, Math.floor);
}
