import { expect, test } from "vitest";
import { atScale, clamped, FIT, fitScale, onPixels, panned, place, zoomedAt } from "../../src/panels/look/zoom";

const pane = { width: 800, height: 600 };
const large = { width: 1600, height: 1600 };

test("a small picture is enlarged by a whole number", () => {
  expect(fitScale(pane, { width: 64, height: 64 })).toBe(9);
  expect(fitScale(pane, large)).toBe(600 / 1600);
  expect(fitScale(pane, { width: 0, height: 0 })).toBe(1);
});

test("it fits in the middle", () => {
  expect(place(pane, large, FIT)).toEqual({ scale: 0.375, width: 600, height: 600, left: 100, top: 0 });
});

test("what is under the cursor stays there while zooming", () => {
  const at = (view: typeof FIT, px: number, py: number) => {
    const placed = place(pane, large, view);
    return [(px - placed.left) / placed.width, (py - placed.top) / placed.height];
  };
  let view = zoomedAt(pane, large, FIT, 4, 400, 300);
  const before = at(view, 250, 420);
  view = zoomedAt(pane, large, view, 1.7, 250, 420);
  expect(at(view, 250, 420)[0]).toBeCloseTo(before[0] as number);
  expect(at(view, 250, 420)[1]).toBeCloseTo(before[1] as number);
});

test("it cannot be moved out of the pane", () => {
  const view = zoomedAt(pane, large, FIT, 4, 400, 300);
  const far = place(pane, large, panned(pane, large, view, 1e6, -1e6));
  expect(far.left).toBeCloseTo(0);
  expect(far.top).toBeCloseTo(600 - far.height);
  expect(clamped(pane, large, { zoom: 1, x: 0, y: 1 })).toEqual(FIT);
});

test("one to one", () => {
  expect(place(pane, large, atScale(pane, large, FIT, 1)).scale).toBeCloseTo(1);
});

test("the corner lies on a pixel of the screen, and one to one is without smoothing on any screen", () => {
  const placed = place({ width: 801, height: 601 }, { width: 64, height: 64 }, { ...FIT, zoom: 1 / 9 / 2 });
  expect(placed).toMatchObject({ scale: 0.5, left: 384.5, top: 284.5 });
  expect(onPixels(placed, 2)).toMatchObject({ left: 384.5, top: 284.5, sharp: true });
  expect(onPixels(placed, 1)).toMatchObject({ left: 385, top: 285, sharp: false });
});

test("one to one can be reached for a small picture on a fine screen", () => {
  const small = { width: 64, height: 64 };
  for (const ratio of [1, 1.25, 2, 3]) {
    expect(place(pane, small, atScale(pane, small, FIT, 1 / ratio)).scale).toBeCloseTo(1 / ratio);
  }
});
