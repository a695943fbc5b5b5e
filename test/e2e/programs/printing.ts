/** Prints from workers in the ways that tests/e2e/logs.test.ts asks for, and ends at once. */
import { get, init, nodes, remote } from "mobula";

const runtime = process.argv[2] as "bun" | "deno" | "node";
await using _cluster = await init({
  numCpus: 2,
  numNodes: 2,
  dashboard: false,
  objectStoreBytes: 32 << 20,
  runtimeEnv: { runtime },
  logToDriver: process.argv[3] !== "quiet",
});

const say = remote((word: string) => {
  console.log(`log ${word}`);
  process.stdout.write(`part of ${word}, `);
  process.stdout.write("and its end\n");
  console.error(`error ${word}`);
}, { name: "say" });
const [here, there] = (await nodes()).map(({ nodeId }) => ({ schedulingStrategy: { nodeId } }));
await get([say.options(here!).remote("one"), say.options(there!).remote("two")]);

const Speaker = remote(
  class Speaker {
    speak(): void {
      console.warn("from an actor");
    }
  },
  { numCpus: 0 },
);
const speaker = Speaker.options({ name: "herald" }).remote();
await get(speaker.speak.remote());

const flood = remote(() => {
  const lines = 200_000;
  process.stdout.write(Array.from({ length: lines }, (_, i) => `flood ${i}\n`).join(""));
}, { name: "flood" });
await get(flood.remote());

const lastWords = remote(() => {
  console.log("these are my last words");
  process.stdout.write("and these have no end");
  process.kill(process.pid, "SIGKILL");
  return new Promise(() => {});
}, { name: "lastWords", maxRetries: 0 });
await get(lastWords.remote()).catch(() => console.log("it died"));
