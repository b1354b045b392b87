/** A number: a slider where both ends are known, and a field to type it. */

import { useState } from "react";
import type { InputPort } from "../../api/types";
import { titleOf } from "../../app/format";
import type { Value } from "../../model/recipe";
import { hasSlider, numberOf, stepOf } from "./kind";

interface Props {
  id: string;
  about: string;
  title: string;
  port: InputPort;
  value: unknown;
  onChange: (value: Value) => void;
}

export function NumberField({ id, about, title, port, value, onChange }: Props) {
  const number = typeof value === "number" || typeof value === "bigint" ? Number(value) : Number.NaN;
  const [typed, setTyped] = useState<string | null>(null);
  const slider = hasSlider(port);
  const wrong = typed !== null && numberOf(typed, port) === null;
  const range = port.min !== null && port.max !== null ? ((number - port.min) / (port.max - port.min)) * 100 : 0;
  return (
    <div className="number-field">
      {slider && (
        <input
          type="range"
          aria-label={`${title || titleOf(port.name)} slider`}
          min={port.min ?? 0}
          max={port.max ?? 1}
          step={stepOf(port)}
          value={Number.isFinite(number) ? number : (port.min ?? 0)}
          style={{ "--filled": `${Math.min(100, Math.max(0, range))}%` } as React.CSSProperties}
          onChange={(event) => onChange(event.target.valueAsNumber)}
        />
      )}
      <input
        id={id}
        className="field tabular"
        inputMode={port.type === "int" ? "numeric" : "decimal"}
        aria-describedby={about}
        aria-invalid={wrong}
        value={typed ?? (value === null || value === undefined ? "" : String(value))}
        onFocus={(event) => event.target.select()}
        onBlur={() => setTyped(null)}
        onKeyDown={(event) => {
          if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
          event.preventDefault();
          const by = stepOf(port) * (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? 10 : 1);
          const next = numberOf(String(Number((number + by).toFixed(6))), port);
          setTyped(null);
          if (next !== null) onChange(next);
        }}
        onChange={(event) => {
          setTyped(event.target.value);
          const found = numberOf(event.target.value, port);
          if (found !== null) onChange(found);
        }}
      />
    </div>
  );
}
