/** One declared input as a labelled field; which kind of field, its port says. */

import { useId } from "react";
import type { InputPort } from "../../api/types";
import { Icon } from "../../app/icons";
import type { Value } from "../../model/recipe";
import { FileField } from "./FileField";
import type { FieldOf } from "./FormView";
import { kindOf } from "./kind";
import { NumberField } from "./NumberField";
import { SeedField } from "./SeedField";
import { TextArea } from "./TextArea";

interface Props {
  tab: string;
  field: FieldOf;
  problem: string;
  onChange: (value: Value | undefined) => void;
}

export function Field({ tab, field, problem, onChange }: Props) {
  const id = useId();
  const port = field.declared?.port ?? null;
  const changed = port !== null && !port.required && !same(field.value, port.default);
  const about = field.description || port?.doc || "";
  return (
    <div className="form-field" data-input={field.name} data-problem={problem !== ""}>
      <div className="form-label">
        <label className="label" htmlFor={id}>
          {field.title}
        </label>
        {changed && (
          <button
            type="button"
            className="reset"
            aria-label={`Reset ${field.title}`}
            title={`Reset to ${String(port.default)}`}
            onClick={() => onChange(undefined)}
          >
            <Icon name="undo" size={12} />
          </button>
        )}
        {port?.unit && <span className="hint">{port.unit}</span>}
      </div>
      {port === null ? (
        <p className="hint">…</p>
      ) : (
        <Control id={id} tab={tab} field={field} port={port} onChange={onChange} about={`${id}-about`} />
      )}
      <p className="hint" id={`${id}-about`}>
        {problem ? <span className="form-problem">{problem}</span> : about}
      </p>
    </div>
  );
}

const same = (a: unknown, b: unknown) => a === b || JSON.stringify(a) === JSON.stringify(b);

interface ControlProps {
  id: string;
  tab: string;
  field: FieldOf;
  port: InputPort;
  about: string;
  onChange: (value: Value | undefined) => void;
}

function Control({ id, tab, field, port, about, onChange }: ControlProps) {
  const { value } = field;
  const common = { id, "aria-describedby": about };
  switch (kindOf(port, value)) {
    case "list":
      return <ListField id={id} about={about} value={value} port={port} onChange={onChange} />;
    case "choice":
      return (
        <select
          {...common}
          className="field"
          value={JSON.stringify(value)}
          onChange={(event) => onChange(JSON.parse(event.target.value) as Value)}
        >
          {!port.choices?.some((choice) => same(choice, value)) && (
            <option value={JSON.stringify(value)}>
              {value === null ? "Choose…" : `${String(value)} (not installed)`}
            </option>
          )}
          {port.choices?.map((choice) => (
            <option key={JSON.stringify(choice)} value={JSON.stringify(choice)}>
              {String(choice)}
            </option>
          ))}
        </select>
      );
    case "bool":
      return (
        <input
          {...common}
          type="checkbox"
          className="switch"
          checked={value === true}
          onChange={(event) => onChange(event.target.checked)}
        />
      );
    case "file":
      return <FileField id={id} about={about} title={field.title} port={port} value={value} onChange={onChange} />;
    case "seed":
      return <SeedField id={id} about={about} tab={tab} field={field} onChange={onChange} />;
    case "number":
      return <NumberField id={id} about={about} title={field.title} port={port} value={value} onChange={onChange} />;
    case "multiline":
      return <TextArea id={id} about={about} value={typeof value === "string" ? value : ""} onChange={onChange} />;
    default:
      return (
        <input
          {...common}
          className="field"
          value={typeof value === "string" ? value : ""}
          onChange={(event) => onChange(event.target.value)}
        />
      );
  }
}

/** A list: one item a line. */
function ListField({ id, about, value, port, onChange }: Omit<ControlProps, "tab" | "field"> & { value: unknown }) {
  const items = Array.isArray(value) ? value : [];
  const numbers = items.every((item) => typeof item === "number") && /int|float/.test(port.type);
  return (
    <TextArea
      id={id}
      about={about}
      value={items.map(String).join("\n")}
      rows={Math.min(8, Math.max(2, items.length))}
      onChange={(text) => {
        const lines = text.split("\n");
        if (!numbers) return onChange(lines);
        const found = lines.map((line) => Number(line.trim()));
        if (found.every(Number.isFinite) && !lines.includes("")) onChange(found);
      }}
      draft
    />
  );
}
