/**
 * What the query `objects/holders` answers: who holds what, as all nodes and processes say. Types only.
 * @module
 */
export type {
  CopyState,
  MemoryReport,
  MemoryRow,
  ObjectHolder,
  ReferenceKind,
} from "../../runtime/common/memory_facts.ts";
