/**
 * The command line. Exit codes: 0 done; 1 wrong usage, or what was asked for is not so; 2 no cluster there; 3 a task or a
 * job failed; 4 the cluster does not let us in. Output is on stdout, everything else on stderr.
 * @module
 */
import { MOBULA_VERSION } from "../common/config.ts";
import { AuthenticationError } from "../common/errors.ts";
import { UnreachableError } from "./unreachable_error.ts";
import { helpOf, parseArguments, unknownCommand } from "./parser.ts";
import { print } from "./print.ts";
import { COMMANDS } from "./registry.ts";
import type { CommandDefinition } from "./usage.ts";

/** Runs one command line and resolves to its exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const [first] = args;
    if (first === undefined || first === "help" || first === "--help" || first === "-h") {
      return await help(args.slice(1));
    }
    if (first === "--version") {
      print(MOBULA_VERSION);
      return 0;
    }
    const { name, rest } = findCommand(args);
    const command = await COMMANDS[name]!();
    if (asksForHelp(command, rest)) return await help([name]);
    return await command.run(parseArguments(command, rest));
  } catch (error) {
    process.stderr.write(`mobula: ${(error as Error).message}\n`);
    if (process.env.MOBULA_LOG_LEVEL === "debug") process.stderr.write(`${(error as Error).stack}\n`);
    return exitCodeOf(error);
  }
}

/** The command that the first words name, and what follows them. UsageError when they name none. */
function findCommand(args: readonly string[]): { name: string; rest: readonly string[] } {
  const two = args.slice(0, 2).join(" ");
  if (Object.hasOwn(COMMANDS, two)) return { name: two, rest: args.slice(2) };
  const [one = "", next] = args;
  if (Object.hasOwn(COMMANDS, one)) return { name: one, rest: args.slice(1) };
  const inGroup = Object.keys(COMMANDS).filter((name) => name.startsWith(`${one} `));
  if (inGroup.length === 0) throw unknownCommand(one, topLevelNames());
  throw unknownCommand(next === undefined ? one : two, inGroup);
}

/** Names of one word, and of each group of commands the group's. */
function topLevelNames(): string[] {
  return [...new Set(Object.keys(COMMANDS).map((name) => name.split(" ")[0]!)), "help"];
}

/** Whether --help is this command's, and not of a program whose arguments follow. */
function asksForHelp(command: CommandDefinition, rest: readonly string[]): boolean {
  const end = rest.findIndex((arg) => arg === "--" || (command.passesThrough && !arg.startsWith("-")));
  return (end === -1 ? rest : rest.slice(0, end)).some((arg) => arg === "--help" || arg === "-h");
}

async function help(words: readonly string[]): Promise<number> {
  const commands = Object.entries(COMMANDS);
  const name = words.join(" ");
  if (Object.hasOwn(COMMANDS, name)) {
    print(helpOf(await COMMANDS[name]!()));
    return 0;
  }
  const chosen = commands.filter(([known]) => name === "" || known.startsWith(`${name} `));
  if (chosen.length === 0) throw unknownCommand(name, topLevelNames());
  print("mobula: remote functions, actors and a distributed object store for TypeScript");
  print();
  const width = Math.max(...chosen.map(([known]) => known.length)) + 2;
  for (const [known, load] of chosen) print(`  mobula ${known.padEnd(width)}${(await load()).summary}`);
  print();
  print(
    "`mobula help COMMAND` tells a command's arguments and options, with examples; `mobula --version` this mobula's.",
  );
  print("Exit codes: 0 done, 1 wrong usage or not so, 2 no cluster there, 3 a task failed, 4 not let in.");
  return 0;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UnreachableError) return 2;
  return error instanceof AuthenticationError ? 4 : 1;
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
