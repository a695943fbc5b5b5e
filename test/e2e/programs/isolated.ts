/**
 * NODE-04: two of these run at once, each with functions f and g of its own. Prints what they gave.
 * @module
 */
import { get, init, remote } from "mobula";

await using _cluster = await init();
const sign = process.argv[2] === "minus" ? -1 : 1;
const f = remote(sign > 0 ? (n: number) => n : (n: number) => -n);
const g = remote(sign > 0 ? (n: number) => 2 * n : (n: number) => -2 * n);
let wrong = 0;
for (let round = 0; round < 20; round++) {
  const values = await get(Array.from({ length: 20 }, (_, n) => [f.remote(n), g.remote(n)]).flat());
  for (const [index, value] of values.entries()) {
    const n = index >> 1;
    if (value !== sign * n * (index % 2 === 0 ? 1 : 2)) wrong++;
  }
}
console.log(wrong);
