/** Ops that were added lately, on this machine: they come first in the palette. */

const PLACE = "nodeflow.recent";
const KEPT = 12;

export function recentOps(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? found.filter((op) => typeof op === "string") : [];
  } catch {
    return [];
  }
}

export function noteRecent(op: string): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify([op, ...recentOps().filter((other) => other !== op)].slice(0, KEPT)));
  } catch {
    // Storage is full or forbidden: then nothing is remembered.
  }
}
