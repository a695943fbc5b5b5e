/**
 * A job that never ran: any number of tasks over nodes, worker slots and actors, out of a seed, with what the telemetry process
 * would answer about it. For the pages that draw on canvases, whose numbers are compared with this job's own.
 */
import type { TaskStateName } from "../../dashboard/api_types.ts";
import type {
  CriticalPathDto,
  GraphDto,
  GraphGroup,
  GraphGroupDto,
  GraphNeighbourhoodDto,
  GraphObject,
  GraphTask,
} from "../../dashboard/api/graph.ts";
import {
  BARS_MAX,
  TILE_BINS,
  type TimelineAtDto,
  type TimelineBar,
  type TimelineBarsDto,
  type TimelineLane,
  type TimelineLanesDto,
  type TimelineRangeDto,
  type TimelineTileDto,
  type TraceEvent,
} from "../../dashboard/api/timeline.ts";
import type { TelemetryAsker } from "../../dashboard/server/queries/query.ts";

export interface GeneratedOptions {
  readonly tasks: number;
  readonly nodes?: number;
  readonly slots?: number;
  readonly actors?: number;
  readonly seed?: number;
  /** Milliseconds since the epoch. */
  readonly startMs?: number;
}

interface Stage {
  readonly name: string;
  readonly share: number;
  readonly meanMs: number;
  readonly bytes: number;
  readonly type: "task" | "actor";
}

const STAGES: readonly Stage[] = [
  { name: "readShard", share: 0.14, meanMs: 40, bytes: 4_000_000, type: "task" },
  { name: "tokenize", share: 0.34, meanMs: 24, bytes: 900_000, type: "task" },
  { name: "embed", share: 0.26, meanMs: 70, bytes: 2_400_000, type: "task" },
  { name: "ParameterServer.push", share: 0.1, meanMs: 9, bytes: 0, type: "actor" },
  { name: "score", share: 0.1, meanMs: 30, bytes: 40_000, type: "task" },
  { name: "mergeScores", share: 0.06, meanMs: 18, bytes: 60_000, type: "task" },
];
/** Who takes from whom, by the stages' numbers. */
const FLOWS: readonly (readonly [number, number])[] = [[0, 1], [1, 2], [2, 3], [2, 4], [4, 5], [5, 5]];
const ROUND_GAP_MS = 900;
const NO_STATE = { pendingArgs: 0, pendingNode: 0, submitted: 0, running: 0, finished: 0, failed: 0 };

export class GeneratedJob implements TelemetryAsker {
  readonly jobId = "j-generated";
  readonly startMs: number;
  readonly count: number;
  readonly lanes: TimelineLane[] = [];
  readonly nodeIds: string[];
  readonly stage: Uint8Array;
  readonly lane: Uint16Array;
  /** Since startMs. */
  readonly begin: Float64Array;
  readonly end: Float64Array;
  /** 0 finished, 1 failed, 2 running. */
  readonly state: Uint8Array;
  /** Up to two tasks that each took results of; -1 for none. */
  readonly inputs: Int32Array;
  toMs = 0;
  version = 1;
  /** Questions by name, for tests that say how many there may be. */
  readonly asked = new Map<string, number>();
  readonly #byLane: number[][] = [];
  readonly #tiles = new Map<string, TimelineTileDto>();

  constructor(options: GeneratedOptions) {
    this.count = options.tasks;
    this.startMs = options.startMs ?? 1_795_000_000_000;
    this.nodeIds = Array.from({ length: options.nodes ?? 2 }, (_, i) => `n-${i}f2a9`);
    this.stage = new Uint8Array(this.count);
    this.lane = new Uint16Array(this.count);
    this.begin = new Float64Array(this.count);
    this.end = new Float64Array(this.count);
    this.state = new Uint8Array(this.count);
    this.inputs = new Int32Array(this.count * 2).fill(-1);
    this.#makeLanes(options.slots ?? 4, options.actors ?? 2);
    this.#run(options.seed ?? 7);
  }

  #makeLanes(slots: number, actors: number): void {
    const add = (nodeId: string, slot: number, actorId: string | null, label: string): void => {
      const lane = this.lanes.length;
      this.lanes.push({ lane, nodeId, workerId: `w-${lane}`, slot, actorId, label });
      this.#byLane.push([]);
    };
    this.nodeIds.forEach((nodeId) => {
      for (let slot = 0; slot < slots; slot++) add(nodeId, 0, null, `worker ${slot}`);
    });
    for (let i = 0; i < actors; i++) {
      add(this.nodeIds[i % this.nodeIds.length]!, 0, `a-${i}c77`, `ParameterServer ${i}`);
    }
  }

  #run(seed: number): void {
    let state = seed >>> 0;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const free = new Float64Array(this.lanes.length);
    const workers = this.lanes.filter((lane) => lane.actorId === null).map((lane) => lane.lane);
    const actors = this.lanes.filter((lane) => lane.actorId !== null).map((lane) => lane.lane);
    const rounds = Math.max(1, Math.min(6, Math.floor(this.count / 60)));
    let task = 0, clock = 0;
    for (let round = 0; round < rounds; round++) {
      const last = round === rounds - 1;
      const size = last ? this.count - task : Math.floor(this.count / rounds);
      const first = STAGES.map(() => -1), latest = STAGES.map(() => -1);
      free.fill(clock);
      STAGES.forEach((stage, number) => {
        const isLast = number === STAGES.length - 1;
        const many = isLast ? size - (task - this.#roundStart(first, task)) : Math.floor(size * stage.share);
        const pool = stage.type === "actor" && actors.length > 0 ? actors : workers;
        for (let i = 0; i < many && task < this.count; i++, task++) {
          if (i === 0) first[number] = task;
          latest[number] = task;
          this.#place(task, number, pool[Math.floor(i * 1.37 + random() * 1.2) % pool.length]!, free, random);
          this.#link(task, number, i, many, first, latest);
        }
      });
      clock = free.reduce((most, value) => Math.max(most, value), 0) + ROUND_GAP_MS * (0.5 + random());
    }
    this.toMs = this.end.reduce((most, value) => Math.max(most, value), 0);
  }

  #roundStart(first: readonly number[], task: number): number {
    return first[0]! < 0 ? task : first[0]!;
  }

  #place(task: number, stage: number, lane: number, free: Float64Array, random: () => number): void {
    const gap = random() < 0.1 ? random() * 30 : random() * 1.5;
    this.stage[task] = stage;
    this.lane[task] = lane;
    this.begin[task] = free[lane]! + gap;
    const ran = STAGES[stage]!.meanMs * (0.3 + random() * random() * 3);
    this.end[task] = this.begin[task]! + ran;
    free[lane] = this.end[task]!;
    this.state[task] = random() < 0.004 ? 1 : 0;
    this.#byLane[lane]!.push(task);
  }

  #link(task: number, stage: number, i: number, many: number, first: number[], latest: number[]): void {
    const sources = FLOWS.filter(([, to]) => to === stage).map(([from]) => from);
    sources.slice(0, 2).forEach((from, at) => {
      if (first[from]! < 0) return;
      const size = latest[from]! - first[from]! + 1;
      const source = from === stage
        ? (i < 2 ? -1 : first[from]! + Math.floor(i / 2) - 1)
        : first[from]! + Math.floor(i / many * size);
      this.inputs[task * 2 + at] = source < task ? source : -1;
    });
  }

  // ---- what a test compares with ----

  taskId(task: number): string {
    return `t-${task.toString(16).padStart(8, "0")}`;
  }
  numberOf(taskId: string): number {
    return parseInt(taskId.slice(2), 16);
  }
  nameOf(task: number): string {
    return STAGES[this.stage[task]!]!.name;
  }
  stateOf(task: number): TaskStateName {
    return (["FINISHED", "FAILED", "RUNNING"] as const)[this.state[task]!]!;
  }
  counts(name: string): { finished: number; failed: number; running: number } {
    const sums = { finished: 0, failed: 0, running: 0 };
    for (let task = 0; task < this.count; task++) {
      if (this.nameOf(task) === name) {
        sums[(["finished", "failed", "running"] as const)[this.state[task]!]!]++;
      }
    }
    return sums;
  }

  // ---- the telemetry process' answers ----

  ask(name: string, params: Readonly<Record<string, string | readonly string[]>>): Promise<unknown> {
    this.asked.set(name, (this.asked.get(name) ?? 0) + 1);
    const get = (key: string): string => String(params[key] ?? "");
    const number = (key: string): number => Number(get(key));
    const range = (): [number, number] =>
      get("lanes") === ""
        ? [0, this.lanes.length - 1]
        : get("lanes").split("-").map(Number) as [number, number];
    switch (name) {
      case "timeline/lanes":
        return Promise.resolve(this.lanesDto());
      case "timeline/tile":
        return Promise.resolve(this.tile(number("z"), number("x"), range()));
      case "timeline/bars":
        return Promise.resolve(this.bars(number("from"), number("to"), range()));
      case "timeline/at":
        return Promise.resolve(this.at(number("lane"), number("atMs"), number("slackMs") || 0));
      case "timeline/range":
        return Promise.resolve(this.range(number("from"), number("to"), range()));
      case "timeline/export":
        return Promise.resolve(this.trace(number("after") || 0));
      case "graph":
        return Promise.resolve(this.graph());
      case "graph/group":
        return Promise.resolve(this.group(get("group"), number("limit") || 2_000));
      case "graph/task":
        return Promise.resolve(this.around(get("id"), number("hops") || 2));
      case "graph/critical":
        return Promise.resolve(this.critical());
      default:
        return Promise.reject(new RangeError(`the generated job does not answer ${name}`));
    }
  }

  lanesDto(): TimelineLanesDto {
    return {
      jobId: this.jobId,
      version: this.version,
      originMs: this.startMs,
      fromMs: this.startMs,
      toMs: this.startMs + this.toMs,
      lanes: this.lanes,
      lanesTotal: this.lanes.length,
      markers: [{ atMs: this.startMs + this.toMs * 0.62, kind: "nodeDied", text: "node boreas died" }],
      functions: STAGES.map((stage) => stage.name),
      bars: this.count,
      sampledOut: 0,
      evicted: 0,
    };
  }

  tile(z: number, x: number, lanes: readonly [number, number]): TimelineTileDto {
    const key = `${z} ${x} ${lanes}`;
    const known = this.#tiles.get(key);
    if (known !== undefined) return known;
    const bin = 2 ** z, from = x * TILE_BINS * bin, to = from + TILE_BINS * bin;
    const many = Math.min(lanes[1], this.lanes.length - 1) - lanes[0] + 1;
    const functions = new Uint8Array(many * TILE_BINS), busy = new Uint8Array(many * TILE_BINS);
    const failed = new Uint8Array(Math.ceil(many * TILE_BINS / 8));
    let hasFailed = false;
    const sums = new Float32Array(TILE_BINS * STAGES.length);
    for (let i = 0; i < many; i++) {
      sums.fill(0);
      for (const task of this.#between(lanes[0] + i, from, to)) {
        const first = Math.max(0, Math.floor((this.begin[task]! - from) / bin));
        const last = Math.min(TILE_BINS - 1, Math.floor((this.end[task]! - from) / bin));
        for (let at = first; at <= last; at++) {
          const part = Math.min(this.end[task]!, from + (at + 1) * bin) -
            Math.max(this.begin[task]!, from + at * bin);
          sums[at * STAGES.length + this.stage[task]!]! += part / bin;
          if (this.state[task] !== 1) continue;
          const cell = i * TILE_BINS + at;
          failed[cell >> 3]! |= 1 << (cell & 7);
          hasFailed = true;
        }
      }
      for (let at = 0; at < TILE_BINS; at++) {
        let most = 0, sum = 0;
        for (let stage = 0; stage < STAGES.length; stage++) {
          const part = sums[at * STAGES.length + stage]!;
          sum += part;
          if (part <= most) continue;
          most = part;
          functions[i * TILE_BINS + at] = stage + 1;
        }
        busy[i * TILE_BINS + at] = sum === 0 ? 0 : Math.max(1, Math.min(255, Math.round(sum * 255)));
      }
    }
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
    const tile: TimelineTileDto = {
      z,
      x,
      lanes: [lanes[0], lanes[0] + many - 1],
      functions: text(functions),
      busy: text(busy),
      failed: hasFailed ? text(failed) : null,
      final: true,
    };
    this.#tiles.set(key, tile);
    return tile;
  }

  /** Tasks of a lane that overlap the time (since the start). */
  #between(lane: number, from: number, to: number): number[] {
    const tasks = this.#byLane[lane] ?? [];
    let low = 0, high = tasks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.end[tasks[middle]!]! < from) low = middle + 1;
      else high = middle;
    }
    let last = low;
    while (last < tasks.length && this.begin[tasks[last]!]! <= to) last++;
    return tasks.slice(low, last);
  }

  #bar(task: number): TimelineBar {
    return {
      taskId: this.taskId(task),
      attempt: 0,
      lane: this.lane[task]!,
      fn: this.stage[task]!,
      name: this.nameOf(task),
      state: this.stateOf(task),
      submittedMs: this.startMs + this.begin[task]! - 30,
      pushedMs: this.startMs + this.begin[task]! - 2,
      startMs: this.startMs + this.begin[task]!,
      endMs: this.state[task] === 2 ? null : this.startMs + this.end[task]!,
    };
  }

  bars(fromMs: number, toMs: number, lanes: readonly [number, number]): TimelineBarsDto {
    const found: number[] = [];
    for (let lane = lanes[0]; lane <= Math.min(lanes[1], this.lanes.length - 1); lane++) {
      for (const task of this.#between(lane, fromMs - this.startMs, toMs - this.startMs)) found.push(task);
    }
    return found.length > BARS_MAX
      ? { tooMany: found.length }
      : { bars: found.map((task) => this.#bar(task)) };
  }

  at(lane: number, atMs: number, slackMs: number): TimelineAtDto {
    const at = atMs - this.startMs;
    const task = this.#between(lane, at - slackMs, at + slackMs)[0];
    if (task === undefined) return { bar: null };
    const hasFailed = this.state[task] === 1;
    return {
      bar: {
        ...this.#bar(task),
        nodeId: this.lanes[lane]!.nodeId,
        workerId: this.lanes[lane]!.workerId,
        errorType: hasFailed ? "RangeError" : null,
        errorMessage: hasFailed ? "the shard is empty" : null,
        resultBytes: STAGES[this.stage[task]!]!.bytes,
      },
    };
  }

  /** In pages of 5,000, as the telemetry process has larger ones. */
  trace(after: number): { traceEvents: TraceEvent[]; next: string | null } {
    const to = Math.min(this.count, after + 5_000);
    const traceEvents = Array.from({ length: to - after }, (_, i): TraceEvent => ({
      name: this.nameOf(after + i),
      ph: "X",
      pid: 1,
      tid: this.lane[after + i]!,
      ts: this.begin[after + i]! * 1000,
      dur: (this.end[after + i]! - this.begin[after + i]!) * 1000,
    }));
    return { traceEvents, next: to < this.count ? String(to) : null };
  }

  range(fromMs: number, toMs: number, lanes: readonly [number, number]): TimelineRangeDto {
    const rows = STAGES.map(() => ({ count: 0, failed: 0, runMs: 0, maxMs: 0 }));
    const from = fromMs - this.startMs, to = toMs - this.startMs;
    for (let lane = lanes[0]; lane <= lanes[1]; lane++) {
      for (const task of this.#between(lane, from, to)) {
        const row = rows[this.stage[task]!]!;
        const part = Math.min(to, this.end[task]!) - Math.max(from, this.begin[task]!);
        row.count++;
        if (this.state[task] === 1) row.failed++;
        row.runMs += part;
        row.maxMs = Math.max(row.maxMs, part);
      }
    }
    const runMs = rows.reduce((sum, row) => sum + row.runMs, 0);
    return {
      fromMs,
      toMs,
      functions: rows.map((row, fn) => ({
        fn,
        name: STAGES[fn]!.name,
        ...row,
        meanMs: row.runMs / Math.max(1, row.count),
      }))
        .filter((row) => row.count > 0),
      count: rows.reduce((sum, row) => sum + row.count, 0),
      runMs,
      busy: runMs / Math.max(1, (to - from) * (lanes[1] - lanes[0] + 1)),
      lanes: lanes[1] - lanes[0] + 1,
    };
  }

  graph(): GraphDto {
    const groups: GraphGroup[] = STAGES.map((stage, i) => ({
      ...NO_STATE,
      ...this.counts(stage.name),
      id: `g${i}`,
      name: stage.name,
      type: stage.type,
      runMs: this.#runMs(i),
      nodes: stage.bytes === 0
        ? {}
        : Object.fromEntries(this.nodeIds.map((id, at) => [id, stage.bytes * (12 - at * 5 + i)])),
    }));
    groups.push({
      ...NO_STATE,
      id: "put",
      name: "put",
      type: "put",
      runMs: 0,
      nodes: { [this.nodeIds[0]!]: 64_000_000 },
    });
    const edges = FLOWS.map(([from, to]) => {
      const count = this.#flow(from, to);
      return { from: `g${from}`, to: `g${to}`, count, bytes: count * STAGES[from]!.bytes };
    });
    edges.push({ from: "put", to: "g0", count: this.#groupTasks(0).length, bytes: 64_000_000 });
    return {
      jobId: this.jobId,
      version: this.version,
      groups,
      edges,
      shown: groups.length,
      total: groups.length,
    };
  }

  #groupTasks(stage: number): number[] {
    const tasks: number[] = [];
    for (let task = 0; task < this.count; task++) if (this.stage[task] === stage) tasks.push(task);
    return tasks;
  }

  #runMs(stage: number): number {
    return this.#groupTasks(stage).reduce((sum, task) => sum + this.end[task]! - this.begin[task]!, 0);
  }

  #flow(from: number, to: number): number {
    let count = 0;
    for (let task = 0; task < this.count; task++) {
      if (this.stage[task] !== to) continue;
      for (const at of [0, 1]) {
        const source = this.inputs[task * 2 + at]!;
        if (source >= 0 && this.stage[source] === from) count++;
      }
    }
    return count;
  }

  #graphTask(task: number): GraphTask {
    const lane = this.lanes[this.lane[task]!]!;
    return {
      taskId: this.taskId(task),
      attempt: 0,
      name: this.nameOf(task),
      type: lane.actorId === null ? "NORMAL_TASK" : "ACTOR_TASK",
      state: this.stateOf(task),
      nodeId: lane.nodeId,
      actorId: lane.actorId,
      startMs: this.startMs + this.begin[task]!,
      endMs: this.state[task] === 2 ? null : this.startMs + this.end[task]!,
    };
  }

  group(id: string, limit: number): GraphGroupDto {
    const stage = Number(id.slice(1));
    const all = this.#groupTasks(stage);
    const step = Math.max(1, all.length / limit);
    const shown = Array.from({ length: Math.min(limit, all.length) }, (_, i) => all[Math.floor(i * step)]!);
    const known = new Set(shown);
    const edges = shown.flatMap((task) =>
      [0, 1].map((at) => this.inputs[task * 2 + at]!).filter((from) => known.has(from))
        .map((from) => ({ from: this.taskId(from), to: this.taskId(task), count: 1 }))
    );
    const outside = FLOWS.filter(([from, to]) => (from === stage) !== (to === stage))
      .map(([from, to]) => ({ from: `g${from}`, to: `g${to}`, count: this.#flow(from, to) }));
    return {
      group: id,
      name: STAGES[stage]?.name ?? id,
      tasks: shown.map((task) => this.#graphTask(task)),
      edges,
      outside,
      shown: shown.length,
      total: all.length,
    };
  }

  around(taskId: string, hops: number): GraphNeighbourhoodDto {
    const root = this.numberOf(taskId);
    const hopOf = new Map<number, number>([[root, 0]]);
    const grow = (sign: 1 | -1): void => {
      let edge = [root];
      for (let hop = 1; hop <= hops && edge.length > 0 && hopOf.size < 300; hop++) {
        const next = sign < 0 ? edge.flatMap((task) => this.inputsOf(task)) : this.#takers(edge);
        edge = next.filter((task) => !hopOf.has(task)).slice(0, 300 - hopOf.size);
        for (const task of edge) hopOf.set(task, hop * sign);
      }
    };
    grow(-1);
    grow(1);
    const objects = new Map<string, GraphObject>();
    const edges: { from: string; to: string }[] = [];
    for (const task of hopOf.keys()) {
      for (const from of this.inputsOf(task)) {
        if (!hopOf.has(from)) continue;
        const objectId = `o-${from.toString(16)}.0`;
        if (!objects.has(objectId)) {
          objects.set(objectId, {
            objectId,
            producer: this.taskId(from),
            bytes: STAGES[this.stage[from]!]!.bytes,
            nodes: this.nodeIds.slice(0, 1 + from % 2),
          });
          edges.push({ from: this.taskId(from), to: objectId });
        }
        edges.push({ from: objectId, to: this.taskId(task) });
      }
    }
    return {
      taskId,
      tasks: [...hopOf].map(([task, hop]) => ({ ...this.#graphTask(task), hop })),
      objects: [...objects.values()],
      edges,
      parentTaskId: null,
      children: [],
      shown: hopOf.size,
      total: hopOf.size,
    };
  }

  inputsOf(task: number): number[] {
    return [this.inputs[task * 2]!, this.inputs[task * 2 + 1]!].filter((from) => from >= 0);
  }

  #takers(of: readonly number[]): number[] {
    const wanted = new Set(of);
    const found: number[] = [];
    for (let task = 0; task < this.count; task++) {
      if (this.inputsOf(task).some((from) => wanted.has(from))) found.push(task);
    }
    return found;
  }

  critical(): CriticalPathDto {
    const best = new Float64Array(this.count), from = new Int32Array(this.count).fill(-1);
    let last = 0;
    for (let task = 0; task < this.count; task++) {
      best[task] = this.end[task]! - this.begin[task]!;
      for (const source of this.inputsOf(task)) {
        const sum = best[source]! + this.end[task]! - this.begin[task]!;
        if (sum <= best[task]!) continue;
        best[task] = sum;
        from[task] = source;
      }
      if (best[task]! > best[last]!) last = task;
    }
    const chain: number[] = [];
    for (let task = last; task >= 0; task = from[task]!) chain.unshift(task);
    return {
      jobId: this.jobId,
      tasks: chain.map((task, i) => ({
        ...this.#graphTask(task),
        runMs: this.end[task]! - this.begin[task]!,
        waitMs: i === 0 ? 0 : this.begin[task]! - this.end[chain[i - 1]!]!,
      })),
      runMs: best[last]!,
      wallMs: this.end[last]! - this.begin[chain[0]!]!,
      considered: this.count,
    };
  }
}
