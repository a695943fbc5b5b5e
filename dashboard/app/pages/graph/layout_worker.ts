/**
 * A program of its own, started by the page: lays graphs out away from the thread that draws. One answer per request, in order.
 * @module
 */
import { layOut, type LayoutRequest } from "./layout.ts";

/** What is used of a worker's own scope. */
declare const self: {
  onmessage:
    | ((event: { readonly data: { readonly id: number; readonly request: LayoutRequest } }) => void)
    | null;
  postMessage(message: unknown): void;
};

self.onmessage = ({ data: { id, request } }) => self.postMessage({ id, layout: layOut(request) });
