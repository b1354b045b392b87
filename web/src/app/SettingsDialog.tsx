/** Preferences of this browser, how types are drawn, and what the server says about itself. */

import { useEffect, useState } from "react";
import { useCatalogue } from "../api/catalogue";
import * as client from "../api/client";
import type { System } from "../api/types";
import { run } from "../commands/table";
import { bytes } from "./format";
import { Icon } from "./icons";
import { type Settings, setSettings, useSettings } from "./settings";
import { set } from "./shell";
import { Dialog } from "./ui/Dialog";

export function SettingsDialog() {
  const settings = useSettings();
  return (
    <Dialog title="Settings" wide onClose={() => set({ settings: false })}>
      <Choice
        label="Theme"
        value={settings.theme}
        options={[
          ["system", "System", "screen"],
          ["dark", "Dark", "moon"],
          ["light", "Light", "sun"],
        ]}
        onChange={(theme) => setSettings({ theme })}
      />
      <Choice
        label="Mouse wheel over the graph"
        hint="A pinch always zooms. Choose “moves” for a trackpad."
        value={settings.wheel}
        options={[
          ["zoom", "Zooms"],
          ["pan", "Moves"],
        ]}
        onChange={(wheel) => setSettings({ wheel })}
      />
      <Choice
        label="A workflow opens as"
        value={settings.view}
        options={[
          ["graph", "Graph", "graph"],
          ["form", "Form", "form"],
        ]}
        onChange={(view) => setSettings({ view })}
      />
      <Switch label="Snap nodes to the grid" name="snap" settings={settings} />
      <Switch label="Show the minimap" name="minimap" settings={settings} />
      <Switch label="Show the latest results over the graph" name="results" settings={settings} />
      <div className="setting">
        <span className="label">Keyboard</span>
        <button
          type="button"
          className="btn small"
          onClick={() => {
            set({ settings: false });
            run("help.keys");
          }}
        >
          <Icon name="keyboard" /> Shortcuts…
        </button>
      </div>
      <Types />
      <About />
    </Dialog>
  );
}

interface ChoiceProps<T extends string> {
  label: string;
  hint?: string;
  value: T;
  options: readonly (readonly [T, string, ("screen" | "moon" | "sun" | "graph" | "form")?])[];
  onChange: (value: T) => void;
}

function Choice<T extends string>({ label, hint, value, options, onChange }: ChoiceProps<T>) {
  return (
    <div className="setting">
      <span>
        <span className="label">{label}</span>
        {hint && <span className="hint">{hint}</span>}
      </span>
      <fieldset className="segments" aria-label={label}>
        {options.map(([name, title, icon]) => (
          <button key={name} type="button" aria-pressed={value === name} onClick={() => onChange(name)}>
            {icon && <Icon name={icon} size={14} />}
            {title}
          </button>
        ))}
      </fieldset>
    </div>
  );
}

type Flag = "snap" | "minimap" | "results";

function Switch({ label, name, settings }: { label: string; name: Flag; settings: Settings }) {
  return (
    <label className="setting">
      <span className="label">{label}</span>
      <input
        type="checkbox"
        className="switch"
        checked={settings[name]}
        onChange={(event) => setSettings({ [name]: event.target.checked })}
      />
    </label>
  );
}

/** How the types of wires are drawn: a colour, and a shape for those who see colours differently. */
function Types() {
  const types = useCatalogue((catalogue) => catalogue.types);
  if (types.size === 0) return null;
  return (
    <details className="types">
      <summary>Types: colours and shapes</summary>
      <ul>
        {[...types.values()]
          .filter((type) => !type.name.startsWith("list["))
          .map((type) => (
            <li key={type.name}>
              <span className="type-mark" data-colour={type.colour} data-shape={type.shape} aria-hidden="true" />
              {type.name}
            </li>
          ))}
      </ul>
    </details>
  );
}

function About() {
  const [system, setSystem] = useState<System | null>(null);
  useEffect(() => {
    let here = true;
    client.system().then(
      (found) => here && setSystem(found),
      () => {},
    );
    return () => {
      here = false;
    };
  }, []);
  const failed = Object.entries(useCatalogue((catalogue) => catalogue.failed));
  return (
    <details className="types">
      <summary>This server</summary>
      {system && (
        <dl className="parameters">
          <Row name="Version" value={system.version} />
          <Row name="Device" value={system.device} />
          <Row name="Worker" value={system.worker} />
          <Row name="Memory" value={`${bytes(system.memory_bytes)}, worker ${bytes(system.worker_memory_bytes)}`} />
          <Row name="Cache" value={`${bytes(system.cache_bytes)} of ${bytes(system.cache_budget)}`} />
        </dl>
      )}
      {failed.length > 0 && (
        <dl className="parameters">
          {failed.map(([pack, reason]) => (
            <Row key={pack} name={`Pack ${pack} failed`} value={reason} />
          ))}
        </dl>
      )}
    </details>
  );
}

const Row = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);
