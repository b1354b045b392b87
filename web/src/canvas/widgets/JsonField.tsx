/** Lists and whatever has no control of its own: written as JSON, or as words with commas for lists of texts. */

import { useState } from "react";
import { readJson, type Value, writeJson } from "../../model/json";
import { itemType } from "../../model/ports";
import { FieldLabel } from "./FieldLabel";
import type { FieldProps } from "./Widget";

/** What someone typed as a value; undefined if it is none. `1, 2, 3` is a list where one is wanted. */
export function typedValue(text: string, type: string): Value | undefined {
  const plain = text.trim();
  const parse = (json: string) => {
    try {
      return readJson(json);
    } catch {
      return undefined;
    }
  };
  const whole = parse(plain);
  const wantsList = type.split(" | ").some((part) => itemType(part) !== undefined);
  if (whole !== undefined && (!wantsList || Array.isArray(whole) || type.includes("any"))) return whole;
  if (wantsList || plain.includes(",")) {
    const list = parse(`[${plain}]`);
    if (list !== undefined) return list;
    if (type.includes("str")) return plain.split(",").map((word) => word.trim());
  }
  return type.includes("str") || type.includes("any") || /\b[A-Z]\b/.test(type) ? plain : undefined;
}

export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "string") return value;
  const text = writeJson(value, 0);
  return Array.isArray(value) ? text.slice(1, -1).replaceAll(",", ", ") : text;
}

export function JsonField({ id, port, label, look, value, current, hint, problem, onChange }: FieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const type = Array.isArray(value) ? `list[${port.type}]` : port.type;
  const wrong = draft !== null && draft.trim() !== "" && typedValue(draft, type) === undefined;
  return (
    <div className="nf-field nf-text nodrag">
      <FieldLabel id={id} label={label} look={look} />
      <input
        id={id}
        className="nf-value mono"
        autoComplete="off"
        spellCheck={false}
        value={draft ?? valueText(current)}
        placeholder={port.required ? "needed" : "none"}
        aria-label={look === "node" ? undefined : label}
        aria-description={hint}
        aria-invalid={problem || wrong ? true : undefined}
        onFocus={() => setDraft(valueText(current))}
        onChange={(event) => {
          setDraft(event.target.value);
          if (event.target.value.trim() === "") {
            if (!port.required) onChange(undefined);
            return;
          }
          const next = typedValue(event.target.value, type);
          if (next !== undefined) onChange(next);
        }}
        onBlur={() => setDraft(null)}
      />
    </div>
  );
}
