/** A seed and how it is chosen before a run; the value shown is the value that a run uses. */

import { useState } from "react";
import { Icon } from "../../app/icons";
import { useTabs } from "../../commands/store";
import { entryOf, type SeedMode, seedMode, withSeedMode } from "../../model/layout";
import type { Value } from "../../model/recipe";
import { drawSeed, integerOf, integerValue } from "../../model/seeds";
import type { FieldOf } from "./FormView";

const MODES: readonly (readonly [SeedMode, string, string])[] = [
  ["fixed", "Fixed", "Each run uses this seed"],
  ["random", "Random", "Each run draws a new seed first"],
  ["increment", "+1", "Each run takes the next seed"],
];

interface Props {
  id: string;
  about: string;
  tab: string;
  field: FieldOf;
  onChange: (value: Value) => void;
}

export function SeedField({ id, about, tab, field, onChange }: Props) {
  const { end, value } = field;
  const [typed, setTyped] = useState<string | null>(null);
  const recipe = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.recipe);
  const last = useTabs((tabs) => tabs.tabs.find((one) => one.id === tab)?.lastSeeds);
  if (recipe === undefined || end === null) return null;
  const mode = seedMode(entryOf(recipe, end.node), end.port);
  const before = last?.[`${end.node}.${end.port}`];
  const choose = (next: SeedMode) =>
    useTabs.getState().edit(tab, "Seed mode", (now) => withSeedMode(now, end.node, end.port, next));
  return (
    <div className="seed-field">
      <div className="seed-row">
        <input
          id={id}
          className="field tabular"
          inputMode="numeric"
          aria-describedby={about}
          value={typed ?? String(value ?? "")}
          onFocus={(event) => event.target.select()}
          onBlur={() => setTyped(null)}
          onChange={(event) => {
            setTyped(event.target.value);
            const found = integerOf(event.target.value.trim());
            if (found !== undefined && found >= 0n) onChange(integerValue(found));
          }}
        />
        <button
          type="button"
          className="btn icon"
          aria-label={`Draw a new ${field.title.toLowerCase()}`}
          title="Draw a new seed now"
          onClick={() => onChange(integerValue(drawSeed()))}
        >
          <Icon name="retry" />
        </button>
      </div>
      <div className="seed-row">
        <fieldset className="segments" aria-label={`${field.title}: before each run`}>
          {MODES.map(([name, title, doc]) => (
            <button key={name} type="button" aria-pressed={mode === name} title={doc} onClick={() => choose(name)}>
              {title}
            </button>
          ))}
        </fieldset>
        {before !== undefined && before !== String(value) && (
          <button
            type="button"
            className="btn quiet small"
            onClick={() => {
              const found = integerOf(before);
              if (found !== undefined) onChange(integerValue(found));
            }}
          >
            Reuse last
          </button>
        )}
      </div>
    </div>
  );
}
