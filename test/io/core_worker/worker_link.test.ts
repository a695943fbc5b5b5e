/** What a connection to a worker says, and does not say again. */
import { describe, expect, test } from "bun:test";
import { FunctionRecord } from "../../../runtime/io/core_worker/functions.ts";
import { WorkerLink, type WorkerLinkObserver } from "../../../runtime/io/core_worker/worker_link.ts";
import { PushType } from "../../../runtime/protocol/push.ts";
import { TestListener } from "../transport/unix_pair.ts";

const SILENT: WorkerLinkObserver = { replies() {}, items() {}, handedBack() {}, opened() {}, lost() {} };

function record(hash = "h1"): FunctionRecord {
  return new FunctionRecord({ hash, kind: "function", name: "f", source: "() => 1", captures: null });
}

describe("a worker link", () => {
  test("defines the same code once, however often it was made remote or named", async () => {
    await using listener = await new TestListener().listen();
    const [near, far] = await listener.pair();
    const defined: string[] = [];
    const last = Promise.withResolvers<void>();
    far.onFrame = (type, _flags, header) => {
      if (type === PushType.define) defined.push(JSON.parse(new TextDecoder().decode(header)).name);
      else last.resolve();
    };
    const link = new WorkerLink("w-1" as never, "n-1" as never, Promise.resolve(near), SILENT);
    const base = record();
    expect(link.indexOf(base)).toBe(0);
    expect(link.indexOf(record())).toBe(0);
    expect(link.indexOf(base.variant("g", 0))).toBe(1);
    expect(link.indexOf(base.variant("g", 0))).toBe(1);
    expect(base.variant("g", 0).timing).toBe(base.timing);
    for (let task = 0; task < 5_000; task++) link.indexOf(base.variant(`task ${task}`, 0));
    // Past the limit a new name is the function's own.
    expect(link.indexOf(base.variant("one more", 0))).toBe(0);
    // A limit of runs is kept past it.
    const limited = link.indexOf(base.variant("two more", 1));
    expect(limited).toBe(1_000);
    expect(link.indexOf(base.variant("three more", 1))).toBe(limited);
    link.send(PushType.assign, "{}");
    await last.promise;
    expect(defined.length).toBe(1_001);
    link.close();
  });
});
