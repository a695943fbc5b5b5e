/**
 * Makes a pool in the folder given, prints its path and waits to be killed.
 */
import { ObjectPool } from "../../../../runtime/io/store/object_pool.ts";

const pool = new ObjectPool({ dir: process.argv[2]!, capacity: 1024 * 1024, warn: () => {} });
pool.write(0, new Uint8Array(100_000));
console.log(JSON.stringify(pool.path));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
