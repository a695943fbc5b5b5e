/**
 * The camera of a canvas that can be moved and zoomed: graph units to CSS pixels by one scale and one shift. Pure.
 * @module
 */

export interface Camera {
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box extends Point, Size {}

export const SCALE_MIN = 0.02;
export const SCALE_MAX = 4;

/** All of the content in the middle of the view; small content is not blown up beyond `most`. */
export function fitCamera(content: Size, view: Size, margin: number, most = 1): Camera {
  const scale = Math.max(
    SCALE_MIN,
    Math.min(
      most,
      Math.max(1, view.width - 2 * margin) / Math.max(1, content.width),
      Math.max(1, view.height - 2 * margin) / Math.max(1, content.height),
    ),
  );
  return {
    scale,
    x: (view.width - content.width * scale) / 2,
    y: (view.height - content.height * scale) / 2,
  };
}

/** The point of the view under (x, y) stays where it is. */
export function zoomCamera(camera: Camera, factor: number, x: number, y: number): Camera {
  const scale = Math.min(SCALE_MAX, Math.max(SCALE_MIN, camera.scale * factor));
  const ratio = scale / camera.scale;
  return { scale, x: x - (x - camera.x) * ratio, y: y - (y - camera.y) * ratio };
}

export function panCamera(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x + dx, y: camera.y + dy };
}

/** The box in the middle of the view, at a scale at which it can be read. */
export function lookAt(box: Box, view: Size, scale: number): Camera {
  return {
    scale,
    x: view.width / 2 - (box.x + box.width / 2) * scale,
    y: view.height / 2 - (box.y + box.height / 2) * scale,
  };
}

/** A point of the view in graph units. */
export function toGraph(camera: Camera, x: number, y: number): Point {
  return { x: (x - camera.x) / camera.scale, y: (y - camera.y) / camera.scale };
}

/** Between two cameras: `part` 0 is the first, 1 the second. Zooms evenly for the eye. */
export function between(a: Camera, b: Camera, part: number): Camera {
  const scale = a.scale * (b.scale / a.scale) ** part;
  return { scale, x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part };
}

/** Whether the box can be seen at all. */
export function isVisible(camera: Camera, view: Size, box: Box): boolean {
  const left = box.x * camera.scale + camera.x, top = box.y * camera.scale + camera.y;
  return left < view.width && top < view.height && left + box.width * camera.scale > 0 &&
    top + box.height * camera.scale > 0;
}
