/** A seed: any of 2^64, fixed, or new before each run (random, +1). What is shown is what the run uses. */

import { useState } from "react";
import type { SeedMode } from "../../model/layout";
import { drawSeed, integerOf, integerValue } from "../../model/seeds";
import { FieldLabel } from "./FieldLabel";
import type { FieldProps } from "./Widget";

const LARGEST = 2n ** 64n - 1n;
const MODES: { mode: SeedMode; sign: string; word: string; title: string }[] = [
  { mode: "fixed", sign: "=", word: "Fixed", title: "Fixed: stays as it is" },
  { mode: "random", sign: "⚄", word: "Random", title: "Random: drawn anew before each run" },
  { mode: "increment", sign: "+1", word: "+1", title: "+1: one higher before each run" },
];

export function SeedField({ id, label, look, current, hint, problem, onChange, seed }: FieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const value = integerOf(current);
  const put = (next: bigint) => onChange(integerValue(next < 0n ? 0n : next > LARGEST ? LARGEST : next));
  return (
    <div className="nf-field nf-seed nodrag">
      <FieldLabel id={id} label={label} look={look} />
      <input
        id={id}
        className="nf-value"
        inputMode="numeric"
        autoComplete="off"
        spellCheck={false}
        value={draft ?? value?.toString() ?? ""}
        placeholder="needed"
        aria-label={look === "node" ? undefined : label}
        aria-description={hint}
        aria-invalid={problem ? true : undefined}
        onFocus={(event) => event.target.select()}
        onChange={(event) => {
          setDraft(event.target.value);
          const next = integerOf(event.target.value.trim());
          if (next !== undefined) put(next);
        }}
        onBlur={() => setDraft(null)}
        onKeyDown={(event) => {
          const sign = event.key === "ArrowUp" ? 1n : event.key === "ArrowDown" ? -1n : 0n;
          if (sign !== 0n) {
            event.preventDefault();
            setDraft(null);
            put((value ?? 0n) + sign);
          } else if (event.key === "Enter") setDraft(null);
        }}
      />
      {seed?.last !== undefined && seed.last !== value?.toString() && (
        <button
          type="button"
          className="nf-chip"
          aria-label={`Reuse the last ${label}, ${seed.last}`}
          title={`Reuse last: ${seed.last}`}
          onClick={() => {
            const last = integerOf(seed.last);
            if (last !== undefined) put(last);
            seed.setMode("fixed");
          }}
        >
          ⟲
        </button>
      )}
      <button
        type="button"
        className="nf-chip"
        aria-label={`Draw a new ${label} now`}
        title="Draw a new one now"
        onClick={() => put(drawSeed())}
      >
        ⚂
      </button>
      {seed && (
        // biome-ignore lint/a11y/useSemanticElements: a fieldset cannot stand in a line of a field
        <span className="nf-modes" role="group" aria-label={`What happens to ${label} before a run`}>
          {MODES.map(({ mode, sign, word, title }) => (
            <button
              key={mode}
              type="button"
              aria-pressed={seed.mode === mode}
              aria-label={title}
              title={title}
              onClick={() => seed.setMode(mode)}
            >
              {look === "form" ? word : sign}
            </button>
          ))}
        </span>
      )}
    </div>
  );
}
