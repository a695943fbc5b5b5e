/**
 * Statements to begin with.
 * @module
 */

export interface Example {
  readonly title: string;
  readonly sql: string;
}

export const EXAMPLES: readonly Example[] = [
  {
    title: "Tasks by function and state",
    sql: "SELECT name, state, count(*) AS tasks, round(avg(end_ms - start_ms), 1) AS mean_ms\n" +
      "FROM tasks GROUP BY name, state ORDER BY tasks DESC",
  },
  {
    title: "Slowest tasks",
    sql: "SELECT task_id, name, node_id, end_ms - start_ms AS run_ms\n" +
      "FROM tasks WHERE end_ms IS NOT NULL ORDER BY run_ms DESC LIMIT 20",
  },
  {
    title: "Why tasks failed",
    sql: "SELECT name, error_type, count(*) AS failures, max(error_message) AS example\n" +
      "FROM tasks WHERE state = 'FAILED' GROUP BY name, error_type ORDER BY failures DESC",
  },
  {
    title: "Time from submission to start",
    sql:
      "SELECT name, count(*) AS tasks, round(avg(start_ms - submitted_ms), 1) AS mean_wait_ms, max(start_ms - submitted_ms) " +
      "AS longest_ms\nFROM tasks WHERE start_ms IS NOT NULL GROUP BY name ORDER BY mean_wait_ms DESC",
  },
  {
    title: "Exact counts by function",
    sql:
      "SELECT name, type, sum(submitted) AS submitted, sum(finished) AS finished, sum(failed) AS failed\n" +
      "FROM function_counts GROUP BY name, type ORDER BY submitted DESC",
  },
  {
    title: "Jobs and how long they took",
    sql: "SELECT job_id, state, entrypoint, datetime(started_ms / 1000, 'unixepoch') AS started, " +
      "(ended_ms - started_ms) / 1000.0 AS seconds\nFROM jobs ORDER BY started_ms DESC",
  },
  {
    title: "Bytes on each node",
    sql: "SELECT node_id, count(*) AS objects, sum(bytes) AS bytes\n" +
      "FROM object_locations JOIN objects USING (object_id) GROUP BY node_id ORDER BY bytes DESC",
  },
  {
    title: "Actors that were restarted",
    sql: "SELECT actor_id, class_name, name, state, incarnation, death_cause\n" +
      "FROM actors WHERE incarnation > 1 ORDER BY incarnation DESC",
  },
];

export const FIRST_SQL: string = EXAMPLES[0]!.sql;
