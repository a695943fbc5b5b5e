/** Does what its first argument says, exits with a code or waits for a signal, and says which runtime runs it. */
const [what, code] = process.argv.slice(2);
if (what === "wait") {
  process.on("SIGTERM", () => process.exit(42));
  setInterval(() => undefined, 1_000);
}
const { bun, deno, node } = process.versions as Record<string, string | undefined>;
console.log(bun !== undefined ? `bun ${bun}` : deno !== undefined ? `deno ${deno}` : `node ${node}`);
if (what === "exit") process.exit(Number(code));
