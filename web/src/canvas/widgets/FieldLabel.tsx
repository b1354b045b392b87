/** What stands in a field beside its value: in a node; in the form the label is above the field. */

import type { FieldProps } from "./Widget";

export function FieldLabel({ id, label, look }: Pick<FieldProps, "id" | "label" | "look">) {
  if (look !== "node") return null;
  return (
    <label className="nf-label" htmlFor={id}>
      {label}
    </label>
  );
}
