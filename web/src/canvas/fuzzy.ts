/** Fuzzy search: letters in order, better when they begin words or stand together. */

/** How well a query fits a text: higher is better; null: not at all. */
export function score(query: string, text: string): number | null {
  if (query === "") return 0;
  const [wanted, given] = [query.toLowerCase(), text.toLowerCase()];
  const whole = given.indexOf(wanted);
  if (whole >= 0) {
    const start = whole === 0 ? 60 : isStart(text, whole) ? 40 : 10;
    return 100 + start - Math.min(30, given.length - wanted.length);
  }
  let points = 0;
  let last = -2;
  let at = 0;
  for (const letter of wanted) {
    if (letter === " ") continue;
    const next = best(text, given, letter, at, last);
    if (next < 0) return null;
    points += next === last + 1 ? 6 : isStart(text, next) ? 8 : 1;
    last = next;
    at = next + 1;
  }
  return points - Math.min(20, (given.length - wanted.length) / 4);
}

/** The place for a letter: right after the last one, else where a word begins, else the first. */
function best(text: string, given: string, letter: string, from: number, last: number): number {
  if (given[last + 1] === letter && last >= 0) return last + 1;
  for (let i = given.indexOf(letter, from); i >= 0; i = given.indexOf(letter, i + 1)) if (isStart(text, i)) return i;
  return given.indexOf(letter, from);
}

function isStart(text: string, at: number): boolean {
  const before = text[at - 1];
  return before === undefined || !/[a-z0-9]/i.test(before) || (/[a-z]/.test(before) && /[A-Z]/.test(text[at] ?? ""));
}

/** Items that fit a query, best first; each word of it must fit one of the item's texts, the first weighs most. */
export function rank<T>(
  query: string,
  items: readonly T[],
  texts: (item: T) => readonly string[],
  bonus?: (item: T) => number,
): T[] {
  const words = query.trim().split(/\s+/).filter(Boolean);
  const found: { item: T; points: number; at: number }[] = [];
  items.forEach((item, at) => {
    const parts = texts(item);
    let points = bonus?.(item) ?? 0;
    for (const word of words) {
      let most: number | null = null;
      parts.forEach((text, i) => {
        const value = score(word, text);
        const weighed = value === null ? null : value / (1 + i * 0.35);
        if (weighed !== null && (most === null || weighed > most)) most = weighed;
      });
      if (most === null) return;
      points += most;
    }
    found.push({ item, points, at });
  });
  return found.sort((a, b) => b.points - a.points || a.at - b.at).map(({ item }) => item);
}
