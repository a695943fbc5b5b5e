/**
 * What a read endpoint is: a named query over the cluster, asked once over HTTP or watched over the page's live stream.
 * @module
 */
import type { ReaderQuestions } from "../../../runtime/io/storage/reader_wire.ts";
import type { MemoryReport } from "../../../runtime/common/memory_facts.ts";
import type { RecordAboutDto } from "../../api/history.ts";
import type { StateReader } from "../../api/state.ts";
import type { TelemetryParams } from "../../api/tasks.ts";
import type { LogReader } from "../../../runtime/common/log_query.ts";
import type { MetricsSource } from "../metrics_routes.ts";
import type { ClusterReader } from "../../api_types.ts";
import type { EntityReader } from "./entities.ts";

/** Who keeps the attempts of tasks (TelemetryReader), for those who only pass questions on. */
export interface TelemetryAsker {
  /** @throws RangeError for parameters that make no sense. */
  ask(name: string, params: TelemetryParams): Promise<unknown>;
}

/** A process that reads the store (runtime/io/storage/reader_client.ts). */
export interface StoreAsker {
  /** @throws RangeError for what cannot be asked; an Error with a `code` for what could not be answered. */
  ask<N extends keyof ReaderQuestions>(
    name: N,
    params: ReaderQuestions[N]["params"],
  ): Promise<ReaderQuestions[N]["result"]>;
}

/** Records of jobs that are over (runtime/process/head_job_records.ts). */
export interface JobRecordReader {
  /** Whether the job's answers come from its record. Cheap. */
  isPast(jobId: string): boolean;
  about(jobId: string): RecordAboutDto;
  /** Null when the record does not know. @throws as queries do. */
  answer(jobId: string, name: string, params: URLSearchParams): Promise<unknown>;
}

/** What queries may read. Parts add what they need, as optional members: a test gives what it has. */
export interface QueryServices {
  readonly view: ClusterReader;
  /** Rows of everything, and of one id what its nodes say; the view's own rows by default. */
  readonly state?: StateReader | undefined;
  /** The head's metrics, for GET /metrics. */
  readonly metrics?: MetricsSource | undefined;
  /** Who keeps the attempts of tasks. */
  readonly telemetry?: TelemetryAsker | undefined;
  readonly logs?: LogReader | undefined;
  /** Reads the store for the console. */
  readonly console?: StoreAsker | undefined;
  /** Reads the store for the list of kept jobs. */
  readonly history?: StoreAsker | undefined;
  readonly records?: JobRecordReader | undefined;
  /** Objects, actors, nodes, workers and placement groups as their pages show them. */
  readonly entities?: EntityReader | undefined;
  /** Asks all nodes what they hold and who holds it; of all objects, or of the one with this id. */
  readonly memory?: ((params: { limit?: number; id?: string }) => Promise<MemoryReport>) | undefined;
  /** One sentence. @throws RangeError for an id that nobody knows. */
  readonly why?: ((id: string) => Promise<string>) | undefined;
}

/** One read endpoint: `GET /api/v1/<name>`, and `live=<name>?…` of the stream. */
export interface Query {
  /** Path below /api/v1/, for example "graph" or "graph/group". */
  readonly name: string;
  /** Shortest time between two evaluations for watchers, however many there are; of now. 1,000 ms by default. */
  readonly everyMs?: number | ((services: QueryServices) => number);
  /**
   * The answer: anything that JSON can say, or bytes (over HTTP only). Evaluated once for all who ask the same.
   * @throws RangeError, with a sentence that says what is wrong, for bad parameters: status 400.
   * @throws NotFound when what is asked for is not there: status 404.
   */
  run(params: QueryParams, services: QueryServices): unknown;
}

/** What is asked for is not there (any more). */
export class NotFound extends Error {
  override readonly name = "NotFound";
}

/** The parameters of one question, checked as they are read. */
export class QueryParams {
  readonly #params: URLSearchParams;

  constructor(params: URLSearchParams) {
    this.#params = params;
  }
  /** The value, or null when it is not given or empty. */
  get(name: string): string | null {
    return this.#params.get(name) || null;
  }
  /** All values of a parameter that may be repeated. */
  all(name: string): readonly string[] {
    return this.#params.getAll(name);
  }
  has(name: string): boolean {
    return this.#params.has(name);
  }
  /** @throws RangeError when it is not given. */
  required(name: string): string {
    const value = this.get(name);
    if (value === null) throw new RangeError(`this query needs the parameter ${name}`);
    return value;
  }
  /** @throws RangeError when it is no number, or outside of the bounds. */
  number(name: string, fallback: number, min: number = -Infinity, max: number = Infinity): number {
    const text = this.get(name);
    if (text === null) return fallback;
    const value = Number(text);
    if (Number.isFinite(value) && value >= min && value <= max) return value;
    throw new RangeError(
      `${name} must be a number from ${min} to ${max}, not ${JSON.stringify(text.slice(0, 40))}`,
    );
  }
  /** As an object, to pass on: repeated parameters are arrays. */
  toObject(): Record<string, string | readonly string[]> {
    const object: Record<string, string | readonly string[]> = {};
    for (const name of new Set(this.#params.keys())) {
      const values = this.#params.getAll(name);
      object[name] = values.length === 1 ? values[0]! : values;
    }
    return object;
  }
}
