/**
 * The commands, in the order in which the help lists them. A command's file is loaded when it is asked for: `mobula
 * status` reads nothing of what `mobula start` needs.
 * @module
 */
import type { CommandDefinition } from "./usage.ts";

export type LoadCommand = () => Promise<CommandDefinition>;

/** By what is typed after `mobula`: one word, or two. */
export const COMMANDS: Readonly<Record<string, LoadCommand>> = {
  start: async () => (await import("./start_command.ts")).startCommand,
  stop: async () => (await import("./stop_command.ts")).stopCommand,
  status: async () => (await import("./status_command.ts")).statusCommand,
  run: async () => (await import("./run_command.ts")).runCommand,
  "job submit": async () => (await import("./job_submit_command.ts")).jobSubmitCommand,
  "job logs": async () => (await import("./job_logs_command.ts")).jobLogsCommand,
  "job stop": async () => (await import("./job_stop_command.ts")).jobStopCommand,
  "job list": async () => (await import("./job_list_command.ts")).jobListCommand,
  "job status": async () => (await import("./job_status_command.ts")).jobStatusCommand,
  "job show": async () => (await import("./job_status_command.ts")).jobShowCommand,
  drain: async () => (await import("./drain_command.ts")).drainCommand,
  ls: async () => (await import("./ls_command.ts")).lsCommand,
  summary: async () => (await import("./summary_command.ts")).summaryCommand,
  show: async () => (await import("./show_command.ts")).showCommand,
  why: async () => (await import("./why_command.ts")).whyCommand,
  logs: async () => (await import("./logs_command.ts")).logsCommand,
  mem: async () => (await import("./mem_command.ts")).memCommand,
  report: async () => (await import("./report_command.ts")).reportCommand,
  sql: async () => (await import("./sql_command.ts")).sqlCommand,
  trace: async () => (await import("./trace_command.ts")).traceCommand,
  timeline: async () => (await import("./timeline_command.ts")).timelineCommand,
  top: async () => (await import("./top_command.ts")).topCommand,
  doctor: async () => (await import("./doctor_command.ts")).doctorCommand,
  bench: async () => (await import("./bench_command.ts")).benchCommand,
  ui: async () => (await import("./ui_command.ts")).uiCommand,
  completion: async () => (await import("./completion_command.ts")).completionCommand,
};
