/**
 * `profile?job=ID`: a job's functions with counts, rates, spreads and errors. The telemetry process answers; a server without
 * one makes it of the rows that its view keeps, and says how many those are.
 * @module
 */
import type { ProfileDto, TaskRowDto } from "../../api/tasks.ts";
import type { JobDto } from "../../api_types.ts";
import { profileOfRows } from "./profile_rows.ts";
import type { Query, QueryParams, QueryServices } from "./query.ts";

/** Rows that are looked at without a telemetry process. */
const ROWS_MAX = 10_000;

export const PROFILE_QUERIES: readonly Query[] = [
  {
    name: "profile",
    async run(params, services): Promise<unknown> {
      if (services.telemetry !== undefined) return await services.telemetry.ask("profile", params.toObject());
      return await profileOfView(params, services);
    },
  },
];

async function profileOfView(
  params: QueryParams,
  { view, state = view.state }: QueryServices,
): Promise<ProfileDto> {
  const jobId = params.get("job");
  const filters = jobId === null ? [] : [`jobId=${jobId}`];
  const [tasks, jobs] = await Promise.all([
    state.list("tasks", { filters, limit: ROWS_MAX, detail: true }),
    jobId === null ? null : state.list("jobs", { filters, limit: 1 }),
  ]);
  const job = (jobs?.rows[0] ?? null) as JobDto | null;
  if (jobId !== null && job === null && tasks.total === 0) {
    throw new RangeError(`the job ${jobId.slice(0, 80)} is not known (any more)`);
  }
  const rows = tasks.rows as unknown as TaskRowDto[];
  return profileOfRows({
    rows,
    left: tasks.total - rows.length,
    dropped: tasks.dropped,
    jobId,
    job,
    nowMs: Date.now(),
  });
}
