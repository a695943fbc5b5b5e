/**
 * The runtime environment of a submitted job under the one that its program gives to init(). (Ray: job and driver.)
 * @module
 */
import type { RuntimeEnv } from "./public_types.ts";

/** Where an agent tells a submitted program its job's environment, as JSON. */
export const JOB_ENVIRONMENT_VARIABLE: string = "MOBULA_JOB_RUNTIME_ENV";
/** "1": where both say something, the program's word counts. */
export const OVERRIDE_VARIABLE: string = "MOBULA_OVERRIDE_JOB_RUNTIME_ENV";

/**
 * Both together; variables merge one by one.
 * @throws {RangeError} when they disagree and `overrides` is false.
 */
export function jobEnvironment(job: RuntimeEnv, own: RuntimeEnv | undefined, overrides: boolean): RuntimeEnv {
  if (own === undefined) return job;
  const conflicts = [
    ...Object.keys(own).filter((key) => key !== "env" && disagree(job, own, key)),
    ...Object.keys(own.env ?? {}).filter((name) => disagree(job.env ?? {}, own.env ?? {}, name))
      .map((name) => `env.${name}`),
  ];
  if (conflicts.length > 0 && !overrides) {
    throw new RangeError(
      `init() and the submitted job disagree on runtimeEnv.${
        conflicts.join(", runtimeEnv.")
      }: say it in one place, or set ` +
        `${OVERRIDE_VARIABLE}=1 to have init()'s word count`,
    );
  }
  return { ...job, ...own, env: { ...job.env, ...own.env } };
}

function disagree(job: object, own: object, key: string): boolean {
  const [theirs, ours] = [job, own].map((env) => (env as Record<string, unknown>)[key]);
  return theirs !== undefined && ours !== undefined && JSON.stringify(theirs) !== JSON.stringify(ours);
}
