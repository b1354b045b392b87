/** Text: one line, or several. Only a focused text takes the wheel. */

import { useState } from "react";
import { FieldLabel } from "./FieldLabel";
import type { FieldProps } from "./Widget";

export function TextField({ id, port, label, look, current, hint, problem, onChange }: FieldProps) {
  const optional = !port.required && port.default === null;
  return (
    <div className="nf-field nf-text nodrag">
      <FieldLabel id={id} label={label} look={look} />
      <input
        id={id}
        className="nf-value"
        autoComplete="off"
        spellCheck={false}
        value={typeof current === "string" ? current : ""}
        placeholder={port.required ? "needed" : optional ? "none" : ""}
        aria-label={look === "node" ? undefined : label}
        aria-description={hint}
        aria-invalid={problem ? true : undefined}
        onChange={(event) => onChange(event.target.value === "" && optional ? undefined : event.target.value)}
      />
    </div>
  );
}

export function TextArea({ id, port, label, look, current, hint, problem, onChange, height, onHeight }: FieldProps) {
  const [focused, setFocused] = useState(false);
  return (
    <div className="nf-area nodrag" data-look={look}>
      <FieldLabel id={id} label={label} look={look} />
      <textarea
        id={id}
        className={focused ? "nowheel" : ""}
        spellCheck={false}
        value={typeof current === "string" ? current : ""}
        placeholder={port.doc}
        style={height === undefined ? undefined : { height }}
        aria-label={look === "node" ? undefined : label}
        aria-description={hint}
        aria-invalid={problem ? true : undefined}
        onFocus={() => setFocused(true)}
        onBlur={() => setFocused(false)}
        onPointerUp={(event) => {
          const now = event.currentTarget.offsetHeight;
          if (onHeight && height !== undefined && Math.abs(now - height) > 2) onHeight(Math.max(40, now));
        }}
        onChange={(event) => onChange(event.target.value)}
      />
    </div>
  );
}
