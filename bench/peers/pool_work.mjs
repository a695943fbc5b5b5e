/** What the pools' threads run: as a task of the comparison, nothing but a small answer. Plain JavaScript, so that each pool can load it on each runtime. */
const SMALL = new Uint8Array([111, 107]);

export default function smallValue() {
  return SMALL;
}
