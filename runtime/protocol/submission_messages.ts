/**
 * The messages about submitted jobs, parts of HeadMethods and NodeMethods (messages.ts).
 *
 *   command line, HTTP --submitJob, stopSubmission--> head --startSubmission, endSubmission--> agent
 *   agent --submissionStarted, submissionEnded--> head          what it printed: head --readSubmission--> agent
 *
 * Orders are given again whenever the node connects, and reports are resent until they are answered: both are idempotent.
 * @module
 */
import type { NodeId } from "../common/ids.ts";
import type { SubmissionOutcome, SubmissionRow, SubmissionSpec, SubmitParams } from "../common/submission.ts";
import type { Method, Notification } from "./method.ts";

/** Where a reader is in what a program printed, in bytes. */
export interface OutputPlace {
  readonly out: number;
  readonly err: number;
}

/** The next piece; its bytes are sections 0 (stdout) and 1 (stderr). */
export interface OutputPiece extends OutputPlace {
  /** Nothing more will come. */
  readonly isOver: boolean;
  /** Bytes that were passed over, because the program had printed more than is kept. */
  readonly dropped: number;
}

export interface JobHeadMethods {
  /** Answered after the commit. MobulaError when the id is taken. */
  readonly submitJob: Method<{ job: SubmitParams }, { submissionId: string }>;
  /** SIGTERM, and SIGKILL after a grace; answered at once. False: it has ended already. Code NoSuchJob. */
  readonly stopSubmission: Method<{ submissionId: string }, { stopped: boolean }>;
  readonly submissions: Method<Record<string, never>, { rows: SubmissionRow[] }>;
  /** Answered when it has ended, or after `waitMs`, as it is then. Null: not known. */
  readonly submission: Method<{ submissionId: string; waitMs: number }, { row: SubmissionRow | null }>;
  /** Answered when there is more to read, or after `waitMs`. Codes NoSuchJob, OutputGone. */
  readonly submissionOutput: Method<OutputPlace & { submissionId: string; waitMs: number }, OutputPiece>;

  /** From the agent: its process is there. */
  readonly submissionStarted: Method<
    { submissionId: string; nodeId: NodeId; epoch: number; pid: number },
    Record<string, never>
  >;
  /** From the agent: it ended, or could not start. */
  readonly submissionEnded: Method<
    { submissionId: string; nodeId: NodeId; outcome: SubmissionOutcome },
    Record<string, never>
  >;
}

export interface JobNodeMethods {
  readonly startSubmission: Notification<{ spec: SubmissionSpec }>;
  readonly endSubmission: Notification<{ submissionId: string }>;
}

/** Asked by the head for a reader; nothing depends on the answer. */
export interface SubmissionQuestions {
  readonly readSubmission: JobHeadMethods["submissionOutput"];
}
