/**
 * The command line. Exit codes: 0 done, 1 wrong usage or a failure, 2 no cluster there or it does not let us in. Output
 * is on stdout, everything else on stderr.
 * @module
 */
import { DRAIN_FLAGS, drainCommand } from "./drain_command.ts";
import { UnreachableError } from "./head_client.ts";
import { LS_FLAGS, lsCommand } from "./ls_command.ts";
import { MEM_FLAGS, memCommand } from "./mem_command.ts";
import { print } from "./print.ts";
import { showCommand } from "./show_command.ts";
import { START_FLAGS, startCommand } from "./start_command.ts";
import { statusCommand } from "./status_command.ts";
import { STOP_FLAGS, stopCommand } from "./stop_command.ts";
import { traceCommand } from "./trace_command.ts";
import { whyCommand } from "./why_command.ts";
import { COMMON_FLAGS, type Flags, UsageError } from "./usage.ts";

interface Command {
  readonly run: (args: readonly string[]) => Promise<number>;
  readonly usage: string;
  readonly help: string;
  readonly flags: Flags;
}

const COMMANDS: Readonly<Record<string, Command>> = {
  start: {
    run: startCommand,
    usage: "start --head | --address HOST:PORT",
    help: "start a cluster here, or join one",
    flags: START_FLAGS,
  },
  stop: {
    run: stopCommand,
    usage: "stop",
    help: "end what was started here",
    flags: STOP_FLAGS,
  },
  status: {
    run: statusCommand,
    usage: "status",
    help: "nodes, resources, what waits and why",
    flags: COMMON_FLAGS,
  },
  drain: {
    run: drainCommand,
    usage: "drain NODE",
    help: "take a node out, its work and objects first",
    flags: DRAIN_FLAGS,
  },
  trace: { run: traceCommand, usage: "trace TASK", help: "the steps that a task took", flags: COMMON_FLAGS },
  why: {
    run: whyCommand,
    usage: "why ID",
    help: "why a task, actor or object is where it is",
    flags: COMMON_FLAGS,
  },
  mem: {
    run: memCommand,
    usage: "mem",
    help: "objects: where they are, who made them, who keeps them",
    flags: MEM_FLAGS,
  },
  show: { run: showCommand, usage: "show ID", help: "all that is known of one thing", flags: COMMON_FLAGS },
  ls: {
    run: lsCommand,
    usage: "ls KIND [FILTER…]",
    help: "rows of tasks, actors, objects, nodes, workers, jobs, placement-groups",
    flags: LS_FLAGS,
  },
};

/** Runs one command line and resolves to its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  try {
    if (name === undefined || name === "help" || name === "--help" || name === "-h") return help(rest[0]);
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : null;
    if (command === null) {
      throw new UsageError(
        `Unknown command ${JSON.stringify(name)}; known: ${Object.keys(COMMANDS).join(", ")}, help`,
      );
    }
    if (rest.includes("--help") || rest.includes("-h")) return help(name);
    return await command.run(rest);
  } catch (error) {
    process.stderr.write(`mobula: ${(error as Error).message}\n`);
    if (process.env.MOBULA_LOG_LEVEL === "debug") process.stderr.write(`${(error as Error).stack}\n`);
    return error instanceof UnreachableError ? 2 : 1;
  }
}

function help(name: string | undefined): number {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : null;
  if (command === null) {
    print("mobula: remote functions, actors and a distributed object store for TypeScript");
    print();
    for (const { usage, help } of Object.values(COMMANDS)) print(`  mobula ${usage.padEnd(36)}${help}`);
    print();
    print("`mobula help COMMAND` tells a command's options.");
    return 0;
  }
  print(`mobula ${command.usage}: ${command.help}`);
  print();
  for (const [flag, { value, help }] of Object.entries(command.flags)) {
    print(`  ${`--${flag}${value === undefined ? "" : ` ${value}`}`.padEnd(28)}${help}`);
  }
  return 0;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
