/**
 * Plants every bug and writes what found it to README.md: `bun test/simulation/planted_bugs/table.ts`.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { PLANTED_BUGS, SEEDS } from "./bugs.ts";
import { find, type Finding } from "./planted_bug.ts";

const findings: Finding[] = [];
for (const bug of PLANTED_BUGS) {
  const finding = await find(bug, SEEDS);
  console.log(
    `${finding.seed === null ? "MISSED" : `seed ${finding.seed}`}: ${bug.name} (${finding.checker})`,
  );
  findings.push(finding);
}
writeFileSync(join(import.meta.dirname, "README.md"), describe(findings));
process.exitCode = findings.every((finding) => finding.seed !== null) ? 0 : 1;

function describe(findings: readonly Finding[]): string {
  const caught = findings.filter((finding) => finding.seed !== null).length;
  const rows = findings.map(({ bug, seed, checker, message, ms }) => {
    const found = seed === null ? "**missed**" : `\`${checker}\`: ${short(message)}`;
    return `| ${bug.name} | \`${bug.file}\` | ${bug.effect} | ${found} | ${seed ?? "-"} | ${
      (ms / 1000).toFixed(1)
    } s |`;
  });
  return `# Planted bugs

Each of these bugs was planted alone in a copy of the machines, and the simulation's seeds ran from 1 on until one failed,
at most ${SEEDS}. **${caught} of ${findings.length} are caught.** Written by \`bun test/simulation/planted_bugs/table.ts\`;
\`npm run test:all -- planted_bugs\` checks all of it again, \`npm test\` a few.

| bug | in \`runtime/core/\` | what a user would see | caught by | at seed | after |
| --- | --- | --- | --- | --- | --- |
${rows.join("\n")}
`;
}

/** The first line, without what is this seed's alone. */
function short(message: string): string {
  const line = message.split("\n")[0]!.replace(/ \(seed .*/, "").replaceAll("|", "/");
  return line.length > 110 ? `${line.slice(0, 110)}…` : line;
}
