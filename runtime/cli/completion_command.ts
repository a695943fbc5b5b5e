/**
 * `mobula completion SHELL`: a script that completes commands, options and known arguments in bash, zsh or fish. The script
 * asks `mobula completion words`, so that it stays right when commands change.
 * @module
 */
import { COMMANDS } from "./registry.ts";
import { print } from "./print.ts";
import { type CommandDefinition, type ParsedArguments, UsageError } from "./usage.ts";

const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# mobula: source <(mobula completion bash)
_mobula() {
  local IFS=$'\\n'
  COMPREPLY=($(mobula completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [[ \${#COMPREPLY[@]} -eq 0 ]] && compopt -o default 2>/dev/null
}
complete -F _mobula mobula`,
  zsh: `#compdef mobula
# mobula: source <(mobula completion zsh)
_mobula() {
  local -a found
  found=(\${(f)"$(mobula completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
compdef _mobula mobula`,
  fish: `# mobula: mobula completion fish | source
function __mobula_words
  set -l words (commandline -opc) (commandline -ct)
  mobula completion words -- $words[2..-1] 2>/dev/null
end
complete -c mobula -a '(__mobula_words)'`,
};
const SHELLS: readonly string[] = Object.keys(SCRIPTS);

export const completionCommand: CommandDefinition = {
  name: "completion",
  summary: "a script that completes commands and options in bash, zsh or fish",
  positionals: [
    { name: "SHELL", help: SHELLS.join(", "), isRequired: true, choices: SHELLS },
    {
      name: "WORDS",
      help: "for the scripts: what is typed so far, the last word unfinished",
      maximum: 1_000,
    },
  ],
  flags: {},
  examples: [
    ["source <(mobula completion bash)", "in ~/.bashrc"],
    ["mobula completion fish | source", "in ~/.config/fish/config.fish"],
  ],
  passesThrough: true,
  run,
};

async function run(flags: ParsedArguments): Promise<number> {
  const [shell, ...words] = flags.positionals;
  if (shell === "words") {
    const typed = words[0] === "--" ? words.slice(1) : words;
    for (const word of await completions(typed)) print(word);
    return 0;
  }
  if (shell === undefined || !SHELLS.includes(shell)) {
    throw new UsageError(`completion: say for which shell: ${SHELLS.join(", ")}`);
  }
  print(SCRIPTS[shell]);
  return 0;
}

/** What the last of these words, which follow `mobula`, may become. */
export async function completions(words: readonly string[]): Promise<string[]> {
  const typed = words.slice(0, -1);
  const last = words.at(-1) ?? "";
  const names = Object.keys(COMMANDS);
  const isHelp = typed[0] === "help";
  const path = isHelp ? typed.slice(1) : typed;
  const name = [path.slice(0, 2).join(" "), path[0] ?? ""].find((one) => names.includes(one));
  if (name === undefined || isHelp) {
    const depth = path.length;
    const next = names.map((one) => one.split(" ")).filter((parts) =>
      path.every((word, i) => parts[i] === word) && parts.length > depth
    ).map((parts) => parts[depth]!);
    return begins([...new Set([...next, ...depth === 0 && !isHelp ? ["help"] : []])], last);
  }
  const command = await COMMANDS[name]!();
  const rest = typed.slice(name.split(" ").length);
  const before = rest.at(-1) ?? "";
  const flag = before.startsWith("--") ? command.flags[before.slice(2)] : undefined;
  if (flag?.type === "string") {
    // Values that are known are written a|b|c.
    return /^[\w-]+(\|[\w-]+)+$/.test(flag.value ?? "") ? begins(flag.value!.split("|"), last) : [];
  }
  if (last.startsWith("-")) {
    return begins([...Object.keys(command.flags), "help"].map((one) => `--${one}`), last);
  }
  const place = rest.filter((word, i) => {
    const valueOf = command.flags[(rest[i - 1] ?? "").replace(/^--/, "")];
    return !word.startsWith("-") && !(rest[i - 1]?.startsWith("--") && valueOf?.type === "string");
  }).length;
  return begins(command.positionals?.[place]?.choices ?? [], last);
}

function begins(words: readonly string[], prefix: string): string[] {
  return words.filter((word) => word.startsWith(prefix)).sort();
}
