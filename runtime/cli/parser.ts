/**
 * The argument parser (commander) behind the commands' definitions: what was typed becomes a command's arguments, or a
 * UsageError with one line; help texts. Commander prints nothing and ends no process here.
 * @module
 */
import { Argument, Command, CommanderError, Option } from "commander";
import {
  type CommandDefinition,
  type ParsedArguments,
  type Positional,
  UsageError,
  Values,
} from "./usage.ts";

type Found = Record<string, string | boolean | readonly string[] | undefined>;

/** The command's arguments from what follows its name. UsageError names what is wrong, and what may be meant. */
export function parseArguments(definition: CommandDefinition, args: readonly string[]): ParsedArguments {
  const command = commandOf(definition);
  try {
    command.parse([...args], { from: "user" });
  } catch (error) {
    throw usageError(definition, command, error);
  }
  if (command.args.length > argumentsMax(definition)) throw unexpected(definition, command.args);
  const found: Found = {};
  for (const [name, option] of optionsOf(command)) {
    found[name] = command.getOptionValue(option.attributeName());
  }
  return new Values(definition.name, found, command.args);
}

/** What `mobula help COMMAND` prints, without the last line's end. */
export function helpOf(definition: CommandDefinition): string {
  const examples = definition.examples.flatMap(([line, what]) => [`  ${line}`, `      ${what}`]);
  const text = commandOf(definition).helpInformation().trimEnd();
  return examples.length === 0 ? text : `${text}\n\nExamples:\n${examples.join("\n")}`;
}

/** For a word that is no command's name: what is known, or what may be meant. */
export function unknownCommand(word: string, names: readonly string[]): UsageError {
  if (word.startsWith("-")) {
    return new UsageError(`options go after the command: mobula COMMAND ${word}; known: ${names.join(", ")}`);
  }
  const program = quiet(new Command("mobula"));
  // To commander, what follows a space is an argument.
  for (const name of names) program.command(name.replaceAll(" ", "-")).action(() => undefined);
  try {
    program.parse([word.replaceAll(" ", "-")], { from: "user" });
  } catch (error) {
    const meant = suggestion(error as Error)?.replaceAll("-", " ") ?? null;
    if (meant !== null) {
      return new UsageError(`Unknown command ${JSON.stringify(word)}; did you mean ${meant}?`);
    }
  }
  return new UsageError(`Unknown command ${JSON.stringify(word)}; known: ${names.join(", ")}`);
}

function commandOf(definition: CommandDefinition): Command {
  const command = quiet(new Command(`mobula ${definition.name}`)).description(definition.summary);
  command.helpOption("-h, --help", "this text");
  command.configureHelp({
    optionTerm: (option) => option.flags.replace(/[<>]/g, ""),
    argumentTerm: (argument) => argument.name(),
    commandUsage: () => usageLine(definition),
    helpWidth: 120,
  });
  for (const name of Object.keys(definition.flags)) command.addOption(optionOf(definition, name));
  for (const positional of definition.positionals ?? []) command.addArgument(argumentOf(positional));
  if (definition.passesThrough) command.enablePositionalOptions().passThroughOptions();
  return command.action(() => undefined);
}

function quiet(command: Command): Command {
  return command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
}

function optionOf({ name: command, flags }: CommandDefinition, name: string): Option {
  const flag = flags[name]!;
  const long = flag.type === "boolean" ? `--${name}` : `--${name} <${flag.value ?? "VALUE"}>`;
  const option = new Option(flag.short === undefined ? long : `-${flag.short}, ${long}`, flag.help);
  return flag.type === "boolean" ? option : option.argParser<string | readonly string[]>((value, before) => {
    // Who forgot the value gets to know it, rather than that no such file is there.
    if (value.startsWith("--") && Object.hasOwn(flags, value.slice(2))) {
      throw new UsageError(`${command}: --${name} needs a value; ${value} is an option`);
    }
    return flag.isMultiple ? [...before ?? [], value] : value;
  });
}

/** Optional for commander; the command says itself what it lacks, with what it could be. */
function argumentOf({ name, help, maximum }: Positional): Argument {
  return new Argument(maximum === undefined ? `[${name}]` : `[${name}...]`, help);
}

function usageLine({ name, positionals = [], flags }: CommandDefinition): string {
  const words = positionals.map((one) => {
    const word = one.maximum === undefined ? one.name : `${one.name}…`;
    return one.isRequired ? word : `[${word}]`;
  });
  return ["mobula", name, ...words, ...Object.keys(flags).length === 0 ? [] : ["[options]"]].join(" ");
}

function optionsOf(command: Command): [name: string, option: Option][] {
  return command.options.map((option) => [option.long!.slice(2), option]);
}

function usageError(definition: CommandDefinition, command: Command, error: unknown): unknown {
  if (!(error instanceof CommanderError)) return error;
  const { name } = definition;
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? "";
  switch (error.code) {
    case "commander.unknownOption": {
      const meant = suggestion(error);
      const known = Object.keys(definition.flags).map((flag) => `--${flag}`).join(" ");
      return new UsageError(
        `${name}: unknown option ${quoted}; ${
          meant === null ? "" : `did you mean ${meant}? `
        }known: ${known}`,
      );
    }
    case "commander.excessArguments":
      return unexpected(definition, command.args);
    case "commander.optionMissingArgument":
      return new UsageError(`${name}: ${/--[\w-]+/.exec(quoted)?.[0] ?? quoted} needs a value`);
    default:
      return new UsageError(`${name}: ${error.message.replace(/^error: /, "").split("\n")[0]}`);
  }
}

function argumentsMax({ positionals = [] }: CommandDefinition): number {
  return positionals.reduce((sum, { maximum = 1 }) => sum + maximum, 0);
}

function unexpected(definition: CommandDefinition, args: readonly string[]): UsageError {
  return new UsageError(
    `${definition.name}: unexpected argument ${JSON.stringify(args[argumentsMax(definition)])}`,
  );
}

/** Commander's own guess: `(Did you mean status?)`, `(Did you mean one of ls, logs?)`. */
function suggestion(error: Error): string | null {
  return /\(Did you mean (?:one of )?([^?]*)\?\)/.exec(error.message)?.[1]?.replaceAll(", ", " or ") ?? null;
}
