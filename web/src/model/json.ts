/**
 * JSON without loss: whole numbers beyond 2^53 are read as BigInt and written back digit by digit.
 *
 * `JSON.parse` does the reading unless the text holds a number that it would round; only then the slower reader here is
 * used. Invariant: `writeJson(readJson(text))` says the same as `text`.
 */

export type Value = string | number | bigint | boolean | null | readonly Value[] | { readonly [key: string]: Value };

const LONG_INTEGER = /[[:,\s]-?\d{16,}\s*[,\]}]/;

/** Read a JSON text. Throws `SyntaxError` with the offset, as `JSON.parse` does. */
export function readJson(text: string): Value {
  if (!LONG_INTEGER.test(text) && !/^\s*-?\d{16,}\s*$/.test(text)) return JSON.parse(text) as Value;
  JSON.parse(text); // refuses what is no JSON with the engine's own message
  return new Reader(text).document();
}

/** A number of a JSON text: what JavaScript writes for a large real number is that number, the rest stays exact. */
function exact(token: string): number | bigint {
  const value = Number(token);
  if (!/^-?\d+$/.test(token) || Number.isSafeInteger(value) || String(value) === token) return value;
  return BigInt(token);
}

/** Reads text that is known to be JSON. */
class Reader {
  private at = 0;
  private readonly token = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{}:,]/gy;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  document(): Value {
    return this.value(this.next());
  }

  private next(): string {
    while (" \n\r\t".includes(this.text[this.at] ?? "x")) this.at++;
    this.token.lastIndex = this.at;
    const found = this.token.exec(this.text);
    if (found === null) throw new SyntaxError(`Unexpected token at position ${this.at}`);
    this.at = this.token.lastIndex;
    return found[0];
  }

  private value(token: string): Value {
    if (token === "{") return this.object();
    if (token === "[") return this.list();
    const first = token.charCodeAt(0);
    if (first === 45 || (first >= 48 && first <= 57)) return exact(token);
    return JSON.parse(token) as Value;
  }

  private object(): Value {
    let result: { [key: string]: Value } = {};
    const entries: [string, Value][] = [];
    for (let token = this.next(); token !== "}"; token = this.next()) {
      if (token === ",") continue;
      const key = JSON.parse(token) as string;
      this.next();
      entries.push([key, this.value(this.next())]);
    }
    result = Object.fromEntries(entries);
    return result;
  }

  private list(): Value {
    const result: Value[] = [];
    for (let token = this.next(); token !== "]"; token = this.next()) {
      if (token !== ",") result.push(this.value(token));
    }
    return result;
  }
}

/** Write a value: two spaces of indent by default, one line with `indent = 0`. Keys keep their order. */
export function writeJson(value: unknown, indent = 2, level = 0): string {
  if (typeof value === "bigint") return value.toString();
  if (typeof value === "number") return Number.isFinite(value) ? String(Object.is(value, -0) ? 0 : value) : "null";
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const inner = indent ? `\n${" ".repeat(indent * (level + 1))}` : "";
  const end = indent ? `\n${" ".repeat(indent * level)}` : "";
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return `[${value.map((item) => inner + writeJson(item, indent, level + 1)).join(",")}${end}]`;
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  if (entries.length === 0) return "{}";
  const colon = indent ? ": " : ":";
  const parts = entries.map(([key, item]) => inner + JSON.stringify(key) + colon + writeJson(item, indent, level + 1));
  return `{${parts.join(",")}${end}}`;
}

/** Whether two values say the same. Parts that are the same object are not looked into; order of keys does not count. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, index) => sameValue(item, b[index]));
  }
  const left = Object.entries(a).filter(([, item]) => item !== undefined);
  const right = Object.entries(b).filter(([, item]) => item !== undefined);
  if (left.length !== right.length) return false;
  return left.every(([key, item]) => Object.hasOwn(b, key) && sameValue(item, (b as Record<string, unknown>)[key]));
}
