/**
 * The columns of actors.
 * @module
 */
import type { ActorDto } from "../../../../dashboard/api_types.ts";
import {
  amount,
  anything,
  type Column,
  type ColumnOptions,
  columnsOver,
  DETAIL,
  flag,
  listOf,
  mapOf,
  objectOf,
  oneOf,
  orNull,
  text,
  TIME,
  whole,
} from "./column.ts";

/** An actor whose row is made when somebody looks at it: there may be a hundred thousand. */
export class ActorRecord {
  readonly actorId: string;
  readonly createdMs: number;
  readonly #make: () => ActorDto;
  #row: ActorDto | null = null;

  constructor(actorId: string, createdMs: number, make: () => ActorDto) {
    this.actorId = actorId;
    this.createdMs = createdMs;
    this.#make = make;
  }

  get row(): ActorDto {
    return this.#row ??= this.#make();
  }
}

const column = columnsOver<ActorRecord>();
const lateTime = { ...TIME, ...DETAIL };
const MEASURED = { measured: true };

/** A column that is named like its property. */
function own(
  name: keyof ActorDto,
  schema: Parameters<typeof column>[1],
  about: string,
  options?: ColumnOptions,
): Column<ActorRecord> {
  return column(name, schema, about, ({ row }) => row[name], options);
}

export const ACTOR_COLUMNS: readonly Column<ActorRecord>[] = [
  column("actorId", text, "The actor.", (record) => record.actorId),
  own("className", text, "Its class."),
  own("name", text, "Its name, or nothing."),
  own("namespace", text, "Where its name is known."),
  own("jobId", text, "The job that made it."),
  own(
    "state",
    oneOf("DEPENDENCIES_UNREADY", "PENDING_CREATION", "ALIVE", "RESTARTING", "DEAD"),
    "Where it is in its life.",
  ),
  own("nodeId", orNull(text), "Its node."),
  own("workerId", orNull(text), "Its worker."),
  own("pid", orNull(whole), "Its process."),
  own("numRestarts", whole, "How often it was restarted.", MEASURED),
  own("maxRestarts", whole, "How often it may be; -1: without end."),
  own("isDetached", flag, "Whether it outlives its job."),
  own("deathCause", orNull(text), "A code for why it is dead."),
  own("deathMessage", orNull(text), "The same in words."),
  own("mailboxDepth", orNull(whole), "Calls at its worker that have not begun.", MEASURED),
  own("callsPerSecond", orNull(amount), "Calls that it answered over the last second.", MEASURED),
  own("meanCallMs", orNull(amount), "Mean run time of its latest calls.", { unit: "ms" }),
  own("numLineageRestarts", whole, "How often it was brought back to make lost results again.", DETAIL),
  own("owner", text, "The process that made it.", DETAIL),
  own("incarnation", whole, "How often its construction was begun.", DETAIL),
  own("maxTaskRetries", whole, "Retries of its calls; -1: without end.", DETAIL),
  own("maxConcurrency", whole, "Calls that it runs at once.", DETAIL),
  own("concurrencyGroups", orNull(mapOf(whole)), "Limits of its concurrency groups.", DETAIL),
  own("requiredResources", mapOf(amount), "Held for its life.", DETAIL),
  own("placementGroupId", orNull(text), "The placement group that it is in.", DETAIL),
  own("labelSelector", orNull(mapOf(text)), "Labels that its node must have.", DETAIL),
  own(
    "fallbackStrategy",
    orNull(listOf(objectOf({ labelSelector: mapOf(text) }))),
    "Label selectors that are tried in turn.",
    DETAIL,
  ),
  own("runtimeEnv", orNull(anything), "Its runtime environment; variables by name alone.", DETAIL),
  own("callSite", orNull(text), "Where it was made, when call sites are recorded.", DETAIL),
  own("reprName", orNull(text), "What its own toString() says.", DETAIL),
  own("createdMs", amount, "When it was made.", lateTime),
  own("startedMs", orNull(amount), "When its first constructor had run.", lateTime),
  own("endedMs", orNull(amount), "When it died.", lateTime),
  own("updatedMs", amount, "When its state changed last.", lateTime),
  own("callsRunning", orNull(whole), "Calls that have begun.", { ...DETAIL, ...MEASURED }),
  own("callsFinished", orNull(whole), "Calls that this incarnation has answered.", {
    ...DETAIL,
    ...MEASURED,
  }),
];
