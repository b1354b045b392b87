/**
 * Where a picture stands in a pane. A view is independent of sizes: how much larger than "fits" it is, and which point
 * of the picture (0..1) is in the pane's middle. So two panes with one view show the same part of two pictures.
 */

export interface View {
  zoom: number;
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}
export interface Placed {
  scale: number;
  left: number;
  top: number;
  width: number;
  height: number;
}

export const FIT: View = { zoom: 1, x: 0.5, y: 0.5 };
const LARGEST = 64;
const FINEST = 4;

/** The scale at which a picture fits; a small one is enlarged by a whole number, so that its pixels stay square. */
export function fitScale(pane: Size, picture: Size): number {
  if (picture.width <= 0 || picture.height <= 0 || pane.width <= 0) return 1;
  const scale = Math.min(pane.width / picture.width, pane.height / picture.height);
  return scale > 2 ? Math.floor(scale) : scale;
}

export function place(pane: Size, picture: Size, view: View): Placed {
  const scale = fitScale(pane, picture) * view.zoom;
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { scale, width, height, left: pane.width / 2 - view.x * width, top: pane.height / 2 - view.y * height };
}

/** A zoom in bounds: down to a fifth of what fits, or to one pixel for one of a screen of four to a page's pixel. */
function within(pane: Size, picture: Size, zoom: number): number {
  return Math.min(Math.max(zoom, Math.min(0.2, 1 / FINEST / fitScale(pane, picture))), LARGEST);
}

/** Keep the picture in the pane: centred where it is smaller, without a gap where it is larger. */
export function clamped(pane: Size, picture: Size, view: View): View {
  const zoom = within(pane, picture, view.zoom);
  const scale = fitScale(pane, picture) * zoom;
  const along = (at: number, outer: number, inner: number) => {
    if (inner <= outer) return 0.5;
    const half = outer / 2 / inner;
    return Math.min(Math.max(at, half), 1 - half);
  };
  return {
    zoom,
    x: along(view.x, pane.width, picture.width * scale),
    y: along(view.y, pane.height, picture.height * scale),
  };
}

/** Zoom by a factor so that what is under (px, py), measured in the pane, stays there. */
export function zoomedAt(pane: Size, picture: Size, view: View, factor: number, px: number, py: number): View {
  const zoom = within(pane, picture, view.zoom * factor);
  const before = place(pane, picture, view);
  const after = place(pane, picture, { ...view, zoom });
  const u = (px - before.left) / before.width;
  const v = (py - before.top) / before.height;
  return clamped(pane, picture, {
    zoom,
    x: u + (pane.width / 2 - px) / after.width,
    y: v + (pane.height / 2 - py) / after.height,
  });
}

/** Move by pixels of the pane. */
export function panned(pane: Size, picture: Size, view: View, dx: number, dy: number): View {
  const { width, height } = place(pane, picture, view);
  return clamped(pane, picture, { ...view, x: view.x - dx / width, y: view.y - dy / height });
}

/** The view at which one pixel of the picture is `ratio` pixels of the page. */
export function atScale(pane: Size, picture: Size, view: View, ratio: number): View {
  return clamped(pane, picture, { ...view, zoom: ratio / fitScale(pane, picture) });
}

/**
 * A place whose corner lies on a pixel of the screen. `sharp`: a pixel of the picture is at least one of the screen, so
 * it is drawn without smoothing; at one for one each is then exactly one.
 */
export function onPixels(placed: Placed, ratio: number): Placed & { sharp: boolean } {
  const whole = (at: number) => Math.round(at * ratio) / ratio;
  return { ...placed, left: whole(placed.left), top: whole(placed.top), sharp: placed.scale * ratio > 0.999 };
}
