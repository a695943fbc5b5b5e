/**
 * Named facts of one thing, and large figures at the head of its page.
 * @module
 */
import type { ComponentChildren } from "preact";

export interface Fact {
  readonly name: string;
  readonly value: ComponentChildren;
  readonly help?: string;
}

/** Facts that have nothing to say (null) are left out. */
export function FactList({ facts }: { facts: readonly (Fact | null)[] }) {
  return (
    <dl class="row-facts">
      {facts.filter((fact) => fact !== null).map(({ name, value, help }) => (
        <div key={name} data-fact={name}>
          <dt title={help}>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Figures in a row: the few that matter most. */
export function Figures({ figures }: { figures: readonly (Fact | null)[] }) {
  return (
    <dl class="headline">
      {figures.filter((fact) => fact !== null).map(({ name, value, help }) => (
        <div key={name} data-figure={name} title={help}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
