/** How a type is drawn: its colour as a CSS value, its shape as a glyph. Both, so that colour is never needed. */

import type { CSSProperties } from "react";
import { useCatalogue } from "../api/catalogue";
import type { TypeInfo } from "../api/types";
import { itemType } from "../model/ports";

export type Glyph = TypeInfo["shape"];

const PLAIN: TypeInfo = { name: "any", colour: "grey", shape: "circle" };

/** The look of a type; of one that the server does not name, what it is made of. */
export function typeInfo(types: ReadonlyMap<string, TypeInfo>, type: string): TypeInfo {
  const known = types.get(type);
  if (known) return known;
  const item = itemType(type);
  if (item !== undefined) return { ...typeInfo(types, item), name: type, shape: "ring" };
  const first = type.split(" | ")[0] ?? type;
  return first === type ? PLAIN : typeInfo(types, first);
}

export const useType = (type: string): TypeInfo => useCatalogue((catalogue) => typeInfo(catalogue.types, type));

const COLOURS = new Set([
  "grey",
  "blue",
  "sky",
  "teal",
  "green",
  "lime",
  "yellow",
  "amber",
  "orange",
  "red",
  "pink",
  "violet",
  "brown",
]);

/** A colour by name as CSS: only names of the palette, so that nothing from a file becomes style. */
export const colour = (name: string): string => `var(--type-${COLOURS.has(name) ? name : "grey"})`;
export const colourNames: readonly string[] = [...COLOURS];

const PATHS: Record<Glyph, string> = {
  circle: "M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 1 0 0-9.6Z",
  square: "M1.9 1.4h8.2a.5.5 0 0 1 .5.5v8.2a.5.5 0 0 1-.5.5H1.9a.5.5 0 0 1-.5-.5V1.9a.5.5 0 0 1 .5-.5Z",
  diamond: "M6 .5 11.5 6 6 11.5.5 6Z",
  triangle: "M1.6.8 11.2 6 1.6 11.2Z",
  hexagon: "M3.2 1.2h5.6L11.6 6 8.8 10.8H3.2L.4 6Z",
  ring: "M6 1.2a4.8 4.8 0 1 0 0 9.6a4.8 4.8 0 1 0 0-9.6Z",
};

/** A port's mark, 12 × 12. */
export function PortGlyph({ shape, filled = true }: { shape: Glyph; filled?: boolean }) {
  return (
    <svg className="nf-glyph" viewBox="0 0 12 12" width="12" height="12" aria-hidden="true" focusable="false">
      <path d={PATHS[shape]} className={shape === "ring" || !filled ? "hollow" : "solid"} />
    </svg>
  );
}

/** A custom property for `style`. */
export const withColour = (name: string): CSSProperties => ({ "--c": colour(name) }) as CSSProperties;
