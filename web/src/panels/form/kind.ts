/** Which kind of field an input gets. */

import type { InputPort } from "../../api/types";

export type Kind = "list" | "choice" | "bool" | "file" | "seed" | "number" | "multiline" | "text";

export function kindOf(port: InputPort, value: unknown): Kind {
  if (Array.isArray(value) || port.type.startsWith("list[")) return "list";
  if (port.choices !== null) return "choice";
  if (port.type === "bool") return "bool";
  if (port.type === "File" || port.suffixes.length > 0) return "file";
  if (port.widget === "seed") return "seed";
  if (port.type === "int" || port.type === "float") return "number";
  return port.widget === "multiline" ? "multiline" : "text";
}

/** Whether a slider says more than a number: both ends are known and near enough. */
export function hasSlider(port: InputPort): boolean {
  if (port.min === null || port.max === null) return false;
  const step = port.step ?? (port.type === "int" ? 1 : (port.max - port.min) / 100);
  return (port.max - port.min) / step <= 2000;
}

export const stepOf = (port: InputPort): number =>
  port.step ??
  (port.type === "int" ? 1 : port.min !== null && port.max !== null && port.max - port.min <= 2 ? 0.01 : 0.1);

/** A typed number as the port takes it; null: it is none, or out of range. */
export function numberOf(text: string, port: InputPort): number | bigint | null {
  const trimmed = text.trim().replace(",", ".");
  if (port.type === "int") {
    if (!/^[+-]?\d{1,40}$/.test(trimmed)) return null;
    const value = BigInt(trimmed);
    if (port.min !== null && value < BigInt(Math.ceil(port.min))) return null;
    if (port.max !== null && value > BigInt(Math.floor(port.max))) return null;
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  }
  const value = Number(trimmed);
  if (trimmed === "" || !Number.isFinite(value)) return null;
  if ((port.min !== null && value < port.min) || (port.max !== null && value > port.max)) return null;
  return value;
}
