import { describe, expect, it } from "vitest";
import { CAPTION, resultShape } from "../../src/model/results";

const picture = (width: number, height: number) => ({ media_type: "image/png", width, height, bytes: 1000 });
const text = (bytes: number) => ({ media_type: "text/plain", width: 0, height: 0, bytes });

describe("how much of a node its results take", () => {
  it("is nothing without results", () => expect(resultShape([], 248).height).toBe(0));

  it("is one picture in its proportions, within bounds", () => {
    expect(resultShape([picture(64, 64)], 248)).toMatchObject({ columns: 1, cell: 232, height: CAPTION + 232 + 8 });
    expect(resultShape([picture(64, 32)], 248).cell).toBe(116);
    expect(resultShape([picture(64, 640)], 248).cell).toBe(320);
    expect(resultShape([picture(640, 2)], 248).cell).toBe(48);
    expect(resultShape([picture(0, 0)], 248).cell).toBe(232);
  });

  it("is four of many pictures as squares, and says how many more there are", () => {
    const many = resultShape(Array(7).fill(picture(64, 32)), 248);
    expect(many).toMatchObject({ columns: 2, cell: 114, more: 3, height: CAPTION + 2 * 114 + 4 + 8 });
    expect(many.pictures).toHaveLength(4);
  });

  it("is a line for a short text, more for a long one, and at most two of them", () => {
    expect(resultShape([text(5)], 248).height).toBe(CAPTION + 30 + 8);
    expect(resultShape([text(5000)], 248).height).toBe(CAPTION + 84 + 8);
    expect(resultShape([text(1), text(2), text(3)], 248).others).toHaveLength(2);
  });

  it("is the caption when it is hidden", () => {
    expect(resultShape([picture(64, 64), text(5)], 248, true)).toMatchObject({
      height: CAPTION,
      pictures: [],
      others: [],
    });
  });
});
