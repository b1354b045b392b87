import { expect, test } from "vitest";
import { marked, NO_MARKS, remarked, type Stroke, unmarked, withMask } from "../../src/panels/mask/marks";
import { crc32, readOwnPng, writePng } from "../../src/panels/mask/png";

test("crc32 of the PNG specification's IEND", () => {
  expect(crc32(new TextEncoder().encode("IEND"))).toBe(0xae426082);
});

test("colours under full transparency survive being written and read", async () => {
  const data = new Uint8ClampedArray([
    10, 20, 30, 0, 200, 100, 50, 255, 1, 2, 3, 128, 0, 0, 0, 0, 9, 9, 9, 9, 8, 7, 6, 5,
  ]);
  const file = await (await writePng({ width: 3, height: 2, data })).arrayBuffer();
  expect([...new Uint8Array(file).subarray(0, 8)]).toEqual([137, 80, 78, 71, 13, 10, 26, 10]);
  expect(await readOwnPng(file)).toEqual({ width: 3, height: 2, data });
});

test("a file that somebody else wrote is left to the browser", async () => {
  expect(await readOwnPng(new ArrayBuffer(100))).toBeNull();
  expect(await readOwnPng(new TextEncoder().encode("RIFF").buffer as ArrayBuffer)).toBeNull();
});

test("undo takes back one mark, a new mark ends redo", () => {
  const stroke = (size: number): Stroke => ({ kind: "paint", size, points: [[0, 0]] });
  let marks = marked(marked(NO_MARKS, stroke(1)), stroke(2));
  marks = unmarked(marks);
  expect([marks.done.length, marks.undone.length]).toEqual([1, 1]);
  expect(remarked(marks).done).toEqual([stroke(1), stroke(2)]);
  marks = marked(marks, { kind: "invert" });
  expect(remarked(marks)).toEqual(marks);
  expect(unmarked(unmarked(unmarked(marks))).done).toEqual([]);
});

test("masked is transparent", () => {
  const picture = new Uint8ClampedArray([1, 2, 3, 255, 4, 5, 6, 255]);
  const mask = new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 0]);
  expect([...withMask(picture, mask)]).toEqual([1, 2, 3, 0, 4, 5, 6, 255]);
});
