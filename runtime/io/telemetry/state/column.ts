/**
 * Columns of the state API's rows. A column says what its values are (a JSON schema), what they mean, and how they are read
 * off a record: rows, filters, summaries and the OpenAPI document all come from the same list, so none can contradict
 * another.
 * @module
 */
import type { ColumnInfo, ColumnUnit, JsonSchema } from "../../../../dashboard/api/state.ts";

export interface Column<R> extends ColumnInfo {
  readonly of: (record: R) => unknown;
}

export const text: JsonSchema = { type: "string" };
export const whole: JsonSchema = { type: "integer" };
export const amount: JsonSchema = { type: "number" };
export const flag: JsonSchema = { type: "boolean" };

export function oneOf(...values: string[]): JsonSchema {
  return { type: "string", enum: values };
}
export function listOf(items: JsonSchema): JsonSchema {
  return { type: "array", items };
}
export function mapOf(values: JsonSchema): JsonSchema {
  return { type: "object", additionalProperties: values };
}
/** An object with exactly these properties. */
export function objectOf(properties: Readonly<Record<string, JsonSchema>>): JsonSchema {
  return { type: "object", properties, required: Object.keys(properties), additionalProperties: false };
}
/** An object of any content. */
export const anything: JsonSchema = { type: "object", additionalProperties: true };

export function orNull(schema: JsonSchema): JsonSchema {
  const { type, enum: values, ...rest } = schema;
  return {
    type: [type as string, "null"],
    ...(values === undefined ? {} : { enum: [...values, null] }),
    ...rest,
  };
}

export interface ColumnOptions {
  readonly unit?: ColumnUnit;
  readonly detail?: boolean;
  readonly measured?: boolean;
}

export const DETAIL: ColumnOptions = { detail: true };
export const TIME: ColumnOptions = { unit: "time" };
export const BYTES: ColumnOptions = { unit: "bytes", measured: true };
export const DURATION: ColumnOptions = { unit: "ms", measured: true };

/** A maker of columns over one kind of record. */
export function columnsOver<R>(): (
  name: string,
  schema: JsonSchema,
  about: string,
  of: (record: R) => unknown,
  options?: ColumnOptions,
) => Column<R> {
  return (name, schema, about, of, { unit, detail, measured } = {}) => ({
    ...{ name, schema, about, of },
    unit: unit ?? null,
    detail: detail ?? false,
    measured: measured ?? false,
  });
}

/** Whether a column's values are numbers: those can be ordered. */
export function isNumeric({ schema: { type } }: ColumnInfo): boolean {
  return [type].flat().some((one) => one === "number" || one === "integer");
}
