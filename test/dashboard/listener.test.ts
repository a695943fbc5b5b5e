/**
 * The HTTP listener does the same on Bun, Deno and Node: answers, backpressure, ends.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { runProgram, RUNTIMES } from "../support/run_program.ts";

for (const runtime of RUNTIMES) {
  test(`on ${runtime} it answers, holds back for slow readers and ends cleanly`, async () => {
    const saw = JSON.parse(await runProgram(runtime, join(import.meta.dirname, "listener_program.ts")));
    expect(saw).toMatchObject({
      simple: { status: 201, body: "you asked for /some/path", cookies: ["a=1", "b=2"], method: "GET" },
      headStatus: [201, "HEAD"],
      bodies: [true, 201, 201],
      cancelled: true,
      afterNoise: 201,
      ended: true,
      portMoves: true,
    });
    // What the kernel's and the runtime's buffers take; without backpressure it would grow without end.
    expect(saw.megabytesForStalled).toBeLessThan(24);
  }, 30_000);
}
