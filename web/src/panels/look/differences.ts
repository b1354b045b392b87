/** What differs between the parameters of two runs. */

import { sameValue } from "../../model/json";

export interface Difference {
  name: string;
  a: unknown;
  b: unknown;
}

/** The names whose values differ, in the order in which the first run has them. */
export function differences(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): Difference[] {
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.filter((name) => !sameValue(a[name], b[name])).map((name) => ({ name, a: a[name], b: b[name] }));
}
