/**
 * Actors as rows for people: what the GCS says of each, and how its calls fare as far as its node has told.
 * @module
 */
import { fromUnits } from "../../common/resources.ts";
import type { ActorSpec, ActorStatus, RuntimeEnvSpec } from "../../common/task_spec.ts";
import type { ActorFigures } from "../../protocol/node_rows.ts";
import type { ActorDto } from "../../../dashboard/api_types.ts";
import { EndedKeys } from "./cluster_rows.ts";
import { GroupTable } from "./group_table.ts";

const ACTORS_SHOWN = 200;
/** Dead ones that are remembered; the oldest go first and are counted. */
const DEAD_ACTORS_MAX = 2_000;

/** When what happened to an actor, milliseconds since the epoch. */
export interface ActorTimes {
  readonly createdMs: number;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
}

/** What lasts as long as the actor. */
type Lasting = Pick<ActorDto, (typeof LASTING)[number]>;
const LASTING = [
  "className",
  "name",
  "namespace",
  "jobId",
  "owner",
  "isDetached",
  "maxRestarts",
  "maxTaskRetries",
  "maxConcurrency",
  "concurrencyGroups",
  "requiredResources",
  "placementGroupId",
  "labelSelector",
  "fallbackStrategy",
  "runtimeEnv",
  "callSite",
] as const;

/** What its worker tells. */
type Figures = Pick<
  ActorDto,
  "mailboxDepth" | "callsRunning" | "callsFinished" | "callsPerSecond" | "meanCallMs" | "reprName"
>;
const NO_FIGURES: Figures = {
  mailboxDepth: null,
  callsRunning: null,
  callsFinished: null,
  callsPerSecond: null,
  meanCallMs: null,
  reprName: null,
};

/** See the module's header. */
export class ActorRows {
  readonly table: GroupTable<ActorDto, ActorDto> = new GroupTable({
    cap: ACTORS_SHOWN,
    rank: (actor) => (actor.state === "DEAD" ? 0 : 1e15) + actor.updatedMs / 1e3,
    row: (_, actor) => actor,
  });
  readonly ended: EndedKeys = new EndedKeys(DEAD_ACTORS_MAX);
  alive = 0;

  /** The spec and the times may be left out when they were given before. */
  apply(status: ActorStatus, spec: ActorSpec | null, times: ActorTimes | null, nowMs: number): void {
    const { actorId } = status;
    const before = this.table.groups.get(actorId);
    this.table.groups.set(actorId, actorDto(status, { spec, times, before, nowMs }));
    this.table.touch(actorId);
    this.alive += (status.state === "ALIVE" ? 1 : 0) - (before?.state === "ALIVE" ? 1 : 0);
    if (status.state !== "DEAD") return;
    const forget = this.ended.add(actorId);
    if (forget !== null) this.table.remove(forget);
  }

  /** News of the dead, and of an incarnation that is over, come late. */
  applyFigures({ actorId, ...figures }: ActorFigures): void {
    const before = this.table.groups.get(actorId);
    if (before === undefined || before.state === "DEAD" || before.incarnation !== figures.incarnation) return;
    this.table.groups.set(actorId, { ...before, ...figures });
    this.table.touch(actorId);
  }
}

function actorDto(
  status: ActorStatus,
  { spec, times, before, nowMs }: {
    readonly spec: ActorSpec | null;
    readonly times: ActorTimes | null;
    readonly before: ActorDto | undefined;
    readonly nowMs: number;
  },
): ActorDto {
  const lasting = spec === null ? lastingOf(before) : lastingOfSpec(spec);
  const isSame = before !== undefined && before.incarnation === status.incarnation &&
    status.state === "ALIVE";
  return {
    actorId: status.actorId,
    ...lasting,
    state: status.state,
    nodeId: status.nodeId,
    workerId: status.workerId,
    pid: status.pid,
    incarnation: status.incarnation,
    // Not every new incarnation is a restart: one that never ran may have been placed again.
    numRestarts: lasting.maxRestarts < 0
      ? Math.max(0, status.incarnation - 1)
      : Math.max(0, lasting.maxRestarts - status.restartsLeft),
    numLineageRestarts: status.lineageRestarts ?? 0,
    deathCause: status.deathCause?.code ?? null,
    deathMessage: status.deathCause?.message ?? null,
    createdMs: times?.createdMs ?? before?.createdMs ?? nowMs,
    startedMs: times?.startedMs ?? before?.startedMs ?? null,
    endedMs: times?.endedMs ?? before?.endedMs ?? null,
    updatedMs: nowMs,
    ...(isSame ? figuresOf(before) : { ...NO_FIGURES, reprName: before?.reprName ?? null }),
  };
}

function lastingOfSpec(spec: ActorSpec): Lasting {
  const { strategy } = spec;
  return {
    className: spec.className,
    name: spec.name,
    namespace: spec.namespace,
    jobId: spec.jobId,
    owner: spec.owner,
    isDetached: spec.detached,
    maxRestarts: spec.maxRestarts,
    maxTaskRetries: spec.maxTaskRetries,
    maxConcurrency: spec.maxConcurrency,
    concurrencyGroups: spec.concurrencyGroups ?? null,
    requiredResources: fromUnits(spec.resources),
    placementGroupId: strategy.type === "group" ? strategy.groupId : null,
    labelSelector: spec.labelSelector ?? null,
    fallbackStrategy: spec.fallbackStrategy ?? null,
    runtimeEnv: shownEnv(spec.runtimeEnv),
    callSite: spec.callSite ?? null,
  };
}

/** Variables may hold secrets, and the hash tells them too: their names alone. Null for the plain one. */
function shownEnv({ hash, env, ...rest }: RuntimeEnvSpec): Record<string, unknown> | null {
  if (hash === "") return null;
  return { ...rest, ...(env !== undefined && { env: Object.keys(env) }) };
}

const UNKNOWN: Lasting = {
  className: "",
  name: "",
  namespace: "",
  jobId: "",
  owner: "",
  isDetached: false,
  maxRestarts: 0,
  maxTaskRetries: 0,
  maxConcurrency: 1,
  concurrencyGroups: null,
  requiredResources: {},
  placementGroupId: null,
  labelSelector: null,
  fallbackStrategy: null,
  runtimeEnv: null,
  callSite: null,
};

function lastingOf(before: ActorDto | undefined): Lasting {
  if (before === undefined) return UNKNOWN;
  return Object.fromEntries(LASTING.map((column) => [column, before[column]])) as unknown as Lasting;
}

function figuresOf(before: ActorDto): Figures {
  const { mailboxDepth, callsRunning, callsFinished, callsPerSecond, meanCallMs, reprName } = before;
  return { mailboxDepth, callsRunning, callsFinished, callsPerSecond, meanCallMs, reprName };
}
