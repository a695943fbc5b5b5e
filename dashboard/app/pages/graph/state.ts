/**
 * What a viewer has set on the graph, and what is under the pointer. Signals, no DOM.
 * @module
 */
import { type Signal, signal } from "@preact/signals";
import type { Camera } from "../../models/camera.ts";

export interface Pointed {
  readonly key: string;
  /** A task of the opened group. */
  readonly taskId: string | null;
}

export interface GraphState {
  readonly camera: Signal<Camera>;
  /** The camera follows the graph's size, until the viewer moves it. */
  readonly isFitted: Signal<boolean>;
  readonly hovered: Signal<(Pointed & { readonly x: number; readonly y: number }) | null>;
  readonly selected: Signal<Pointed | null>;
}

export function createGraphState(): GraphState {
  return {
    camera: signal<Camera>({ scale: 1, x: 0, y: 0 }),
    isFitted: signal(true),
    hovered: signal<(Pointed & { readonly x: number; readonly y: number }) | null>(null),
    selected: signal<Pointed | null>(null),
  };
}
