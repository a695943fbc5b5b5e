/** Sets a variable and says what JavaScript, native code and a child process find in it. */
import { spawnSync } from "node:child_process";
import { runtimeName, setVariable } from "#platform";

const name = "MOBULA_TEST_VARIABLE";
setVariable(name, "first");
setVariable(name, "0,3");
const child = spawnSync("/bin/sh", ["-c", `printf %s "$${name}"`], { encoding: "utf8" });
console.log(JSON.stringify([process.env[name], await fromC(name), child.stdout]));

/** getenv of the C library. Node has no FFI to ask; its process.env is the C library's. */
async function fromC(variable: string): Promise<string | undefined> {
  const text = new TextEncoder().encode(`${variable}\0`);
  const library = process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6";
  if (runtimeName === "bun") {
    const { dlopen } = await import("bun:ffi");
    const { symbols } = dlopen(library, { getenv: { args: ["ptr"], returns: "cstring" } });
    return String(symbols.getenv(text));
  }
  if (runtimeName === "node") return process.env[variable];
  const deno = (globalThis as unknown as { Deno: DenoFfi }).Deno;
  const { symbols } = deno.dlopen(library, { getenv: { parameters: ["buffer"], result: "pointer" } });
  return new deno.UnsafePointerView(symbols.getenv(text)).getCString();
}

/** The part of Deno's FFI that this program uses. */
interface DenoFfi {
  dlopen(
    library: string,
    symbols: { getenv: { parameters: string[]; result: string } },
  ): { symbols: { getenv(text: Uint8Array): object } };
  readonly UnsafePointerView: new (pointer: object) => { getCString(): string };
}
