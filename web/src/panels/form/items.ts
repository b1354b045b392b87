/** Lists as lines of text. */

import type { Value } from "../../model/recipe";

/** The lines of a text as a list of the same kind; null: a line is no number. */
export function itemsOf(text: string, before: readonly unknown[]): Value[] | null {
  const lines = text.split("\n");
  if (before.length === 0 || !before.every((item) => typeof item === "number" || typeof item === "bigint"))
    return lines;
  const filled = lines.map((line) => line.trim()).filter((line) => line !== "");
  if (!filled.every((line) => /^[+-]?\d+$/.test(line) || Number.isFinite(Number(line)))) return null;
  return filled.map((line) => {
    const number = Number(line);
    return /^[+-]?\d+$/.test(line) && !Number.isSafeInteger(number) ? BigInt(line) : number;
  });
}
