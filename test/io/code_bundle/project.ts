/**
 * Small projects in a temporary folder whose modules import mobula: what their remote functions became, and how that runs.
 * @module
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type LoadedCallable, loadFunction } from "../../../runtime/io/function_loader.ts";

const root = join(import.meta.dirname, "../../..");

interface Made {
  readonly hash: string;
  readonly source: string;
  readonly name: string;
  readonly captures: Readonly<Record<string, unknown>> | null;
}

/** See the module's header. */
export class Project {
  readonly folder: string = realpathSync(mkdtempSync(join(tmpdir(), "mobula-project-")));

  constructor() {
    mkdirSync(join(this.folder, "node_modules"));
    symlinkSync(root, join(this.folder, "node_modules/mobula"));
    this.write({ "package.json": `{ "type": "module" }` });
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      const path = join(this.folder, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    }
  }

  #runs = 0;

  /** The module's exports, after its files were written. Each call has a folder of its own, as modules are loaded once. */
  async load(files: Readonly<Record<string, string>>, main = "main.ts"): Promise<Record<string, unknown>> {
    const folder = `run${this.#runs++}`;
    this.write(Object.fromEntries(Object.entries(files).map(([name, text]) => [`${folder}/${name}`, text])));
    return await import(join(this.folder, folder, main)) as Record<string, unknown>;
  }

  /** What importing the module throws. */
  async refusal(files: Readonly<Record<string, string>>): Promise<string> {
    try {
      await this.load(files);
    } catch (error) {
      const { constructor, message } = error as Error;
      return `${constructor.name}: ${message.replaceAll(join(this.folder, `run${this.#runs - 1}`), "…")}`;
    }
    return "accepted";
  }

  end(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** What a RemoteFunction or RemoteClass travels as. */
export function definitionOf(remote: unknown): Made {
  return (remote as { code: { definition: Made } }).code.definition;
}

/** The function as a worker has it. */
export function received(remote: unknown, workingDir: string = tmpdir()): Promise<LoadedCallable> {
  const { source, hash, name, captures } = definitionOf(remote);
  return loadFunction({ source, hash, name, kind: "function", captures: captures ?? {} }, { workingDir });
}
