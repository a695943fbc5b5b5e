/**
 * `mobula top`: nodes, functions and actors, live in the terminal; q ends it. Without a terminal it prints one look.
 * @module
 */
import type { ActorDto, ClusterDto, FunctionDto, NodeDto, TableData } from "../../dashboard/api_types.ts";
import { type HeadClient, withHead } from "./head_client.ts";
import { print, printJson } from "./print.ts";
import { topLines, type TopSnapshot } from "./top_view.ts";
import { type CommandDefinition, COMMON_FLAGS, type ParsedArguments } from "./usage.ts";

/** The other screen of the terminal, so that what was there is there again afterwards. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

export const topCommand: CommandDefinition = {
  name: "top",
  summary: "nodes, functions and actors, live",
  flags: {
    ...COMMON_FLAGS,
    interval: { type: "string", value: "SECONDS", help: "between two looks; default 1" },
  },
  examples: [
    ["mobula top", "q or Ctrl-C ends it"],
    ["mobula top | cat", "one look, as text"],
  ],
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const intervalMs = 1_000 * (flags.number("interval", 0.1) ?? 1);
  return await withHead(flags, async (head) => {
    if (flags.isSet("json")) {
      printJson(await look(head));
      return 0;
    }
    if (process.stdout.isTTY !== true || process.stdin.isTTY !== true) {
      for (const line of topLines(await look(head), null, { columns: 200, rows: 200 })) print(line);
      return 0;
    }
    await new Screen(head, intervalMs).run();
    return 0;
  });
}

async function look(head: HeadClient): Promise<TopSnapshot> {
  const { data } = await head.ask("topics", { names: ["cluster", "nodes", "functions", "actors"] });
  const { cluster, nodes, functions, actors } = data as {
    cluster: ClusterDto;
    nodes: TableData<NodeDto>;
    functions: TableData<FunctionDto>;
    actors: TableData<ActorDto>;
  };
  return { atMs: Date.now(), cluster, nodes: nodes.rows, functions: functions.rows, actors: actors.rows };
}

class Screen {
  readonly #head: HeadClient;
  readonly #intervalMs: number;
  readonly #done = Promise.withResolvers<void>();
  #before: TopSnapshot | null = null;
  #now: TopSnapshot | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(head: HeadClient, intervalMs: number) {
    this.#head = head;
    this.#intervalMs = intervalMs;
  }

  /** Resolves when the user has had enough; rejects when the head is gone. The terminal is as before then. */
  async run(): Promise<void> {
    const { stdin, stdout } = process;
    const onKey = (key: Uint8Array): void => {
      const text = new TextDecoder().decode(key);
      if (text === "q" || text === "Q" || text === "\x03" || text === "\x1b") this.#done.resolve();
    };
    const onResize = (): void => this.#draw();
    const onSignal = (): void => this.#done.resolve();
    stdin.setRawMode(true);
    stdin.on("data", onKey).resume();
    stdout.on("resize", onResize);
    process.on("SIGTERM", onSignal).on("SIGHUP", onSignal);
    stdout.write(ENTER);
    try {
      void this.#look();
      await this.#done.promise;
    } finally {
      clearTimeout(this.#timer);
      stdout.write(LEAVE);
      stdout.off("resize", onResize);
      process.off("SIGTERM", onSignal).off("SIGHUP", onSignal);
      stdin.off("data", onKey).pause();
      stdin.setRawMode(false);
    }
  }

  async #look(): Promise<void> {
    try {
      const now = await look(this.#head);
      this.#before = this.#now;
      this.#now = now;
      this.#draw();
      this.#timer = setTimeout(() => void this.#look(), this.#intervalMs);
    } catch (error) {
      this.#done.reject(error as Error);
    }
  }

  #draw(): void {
    if (this.#now === null) return;
    const { stdout } = process;
    // A terminal that does not know its size says 0.
    const [columns, rows] = [stdout.columns || 80, stdout.rows || 24];
    const lines = topLines(this.#now, this.#before, { columns, rows: rows - 1 });
    // Each line over the one that was there, then nothing below: no flicker.
    stdout.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\r\n")}\r\n\x1b[J`);
  }
}
