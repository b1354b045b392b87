/**
 * JSON without loss. Integers beyond ±2^53 become `bigint` when read and are written as plain integers again, so a
 * document goes through the canvas unchanged. Uses `context.source` and `JSON.rawJSON` where the browser has them.
 */

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;
const raw = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON;

const INTEGER = /^-?\d{16,}$/;

function revive(this: unknown, _key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source !== undefined && INTEGER.test(source) ? BigInt(source) : value;
}

/** Parse JSON; whole numbers that a `number` cannot hold come as `bigint`. */
export function parseJson(text: string): unknown {
  return JSON.parse(text, revive as Reviver);
}

/** Write JSON; `bigint` as a plain integer. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item !== "bigint") return item;
      if (raw !== undefined) return raw(item.toString());
      const number = Number(item);
      if (BigInt(number) === item) return number;
      throw new Error("This browser cannot write whole numbers beyond 2^53: please update it.");
    },
    indent,
  );
}
