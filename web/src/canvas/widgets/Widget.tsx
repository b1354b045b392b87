/**
 * The control for one input's value, chosen by its port: number, seed, choice, text, switch, file, or JSON for the rest.
 * Used in nodes and in the form. It knows no document: it gets a value and says what it should become.
 */

import { useId } from "react";
import type { InputPort } from "../../api/types";
import type { Value } from "../../model/json";
import type { SeedMode } from "../../model/layout";
import { isPicture } from "../../model/shape";
import { Combo } from "./Combo";
import { FileField } from "./FileField";
import { JsonField } from "./JsonField";
import { NumberField } from "./NumberField";
import { SeedField } from "./SeedField";
import { TextArea, TextField } from "./TextField";
import "./widgets.css";

export interface SeedControl {
  mode: SeedMode;
  setMode: (mode: SeedMode) => void;
  /** The seed of the last run, if another one is written now. */
  last?: string;
}

export interface WidgetProps {
  port: InputPort;
  /** What is written; undefined: nothing, so the default counts. */
  value: unknown;
  /** The new value; undefined takes it away, so that the default counts. */
  onChange: (value: Value | undefined) => void;
  /** A drag begins or ends: what lies between is one step. */
  onGesture?: (phase: "start" | "end" | "cancel") => void;
  /** What stands beside it; the port's name by default. */
  label?: string;
  /** "node": label and value in one compact field. "form": a full-width field, its label is elsewhere. */
  look?: "node" | "form";
  /** An id for a label elsewhere. */
  id?: string;
  /** What is wrong with it, in words. */
  problem?: string;
  seed?: SeedControl;
  /** Instead of the port's own choices (names of sub-workflows). */
  choices?: readonly unknown[];
  /** Height of a multi-line text, and what to do when it is dragged. */
  height?: number;
  onHeight?: (height: number) => void;
  /** Picture files: what else can be done with the picture. */
  onPaint?: (name: string) => void;
}

/** What a field gets from its widget. */
export interface FieldProps extends WidgetProps {
  id: string;
  label: string;
  look: "node" | "form";
  /** The value that counts: what is written, or the default. */
  current: unknown;
  /** For the tooltip and screen readers. */
  hint: string;
}

export function Widget(props: WidgetProps) {
  const made = useId();
  const { port, value, label = port.name.replace(/_/g, " "), look = "node", id = made } = props;
  const hint = hintOf(port);
  const field: FieldProps = { ...props, id, label, look, current: value === undefined ? port.default : value, hint };
  const reset = value !== undefined && !port.required && !sameAsDefault(value, port.default);
  return (
    <div
      className="nf-widget"
      data-look={look}
      data-kind={kindOf(field)}
      data-set={value !== undefined || undefined}
      data-problem={props.problem ? "" : undefined}
      title={look === "node" ? [props.problem, hint].filter(Boolean).join("\n\n") : undefined}
    >
      <Field {...field} />
      {reset && (
        <button
          type="button"
          className="nf-reset nodrag"
          aria-label={`Reset ${label}`}
          title={`Reset to ${shown(port.default)}`}
          onClick={() => props.onChange(undefined)}
        >
          ↺
        </button>
      )}
    </div>
  );
}

type Kind = "seed" | "combo" | "number" | "switch" | "area" | "text" | "file" | "json";

function kindOf({ port, value, choices }: FieldProps): Kind {
  const types = port.type.split(" | ");
  const plain = value === undefined || value === null || typeof value !== "object";
  if (!plain) return "json";
  if (choices || port.choices || port.models) return "combo";
  if (port.widget === "seed") return "seed";
  if (types.includes("File")) return "file";
  if (types.every((type) => type === "int" || type === "float" || type === "None")) return "number";
  if (types.includes("bool") && types.every((type) => type === "bool" || type === "None")) return "switch";
  if (port.widget === "multiline") return "area";
  if (types.includes("str") && types.every((type) => type === "str" || type === "None")) return "text";
  return "json";
}

function Field(props: FieldProps) {
  switch (kindOf(props)) {
    case "seed":
      return <SeedField {...props} />;
    case "combo":
      return <Combo {...props} />;
    case "number":
      return <NumberField {...props} />;
    case "switch":
      return <Switch {...props} />;
    case "area":
      return <TextArea {...props} />;
    case "text":
      return <TextField {...props} />;
    case "file":
      return isPicture(props.port) ? <FileField {...props} /> : <TextField {...props} />;
    default:
      return <JsonField {...props} />;
  }
}

function Switch({ id, label, current, onChange, hint, look }: FieldProps) {
  return (
    <label className="nf-field nf-switch nodrag" htmlFor={id}>
      {look === "node" && <span className="nf-label">{label}</span>}
      <input
        id={id}
        type="checkbox"
        role="switch"
        checked={current === true}
        aria-checked={current === true}
        aria-label={look === "node" ? undefined : label}
        aria-description={hint}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}

/** What a port is for, with its range, as one text. */
export function hintOf(port: InputPort): string {
  const unit = port.unit ? ` ${port.unit}` : "";
  const span =
    port.min !== null && port.max !== null
      ? `${brief(port.min)} to ${brief(port.max)}${unit}`
      : port.min !== null
        ? `at least ${brief(port.min)}${unit}`
        : port.max !== null
          ? `at most ${brief(port.max)}${unit}`
          : port.unit;
  const usual = port.required || port.default === null ? "" : `default ${shown(port.default)}`;
  return [port.doc.replace(/`/g, ""), [port.type, span, usual].filter(Boolean).join(" · ")].filter(Boolean).join("\n");
}

const brief = (value: number) => (value >= 2 ** 63 ? "2⁶⁴−1" : String(value));

export function shown(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (typeof value === "string") return value === "" ? "an empty text" : value;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

const sameAsDefault = (value: unknown, usual: unknown) => value === usual;
