/**
 * A number: drag sideways to change it, click to type it, arrows step it. Shift makes steps ten times larger, Alt ten
 * times smaller (real numbers). Where both ends of the range are near, the field fills like a slider.
 */

import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import type { InputPort } from "../../api/types";
import { FieldLabel } from "./FieldLabel";
import type { FieldProps } from "./Widget";

const PIXELS_A_STEP = 5;
const SLOP = 3;

export const isWhole = (port: InputPort): boolean => !port.type.split(" | ").includes("float");

export function stepOf(port: InputPort): number {
  if (port.step) return port.step;
  if (isWhole(port)) return 1;
  const span = port.min !== null && port.max !== null ? port.max - port.min : 100;
  return span <= 2 ? 0.01 : span <= 20 ? 0.1 : 0.5;
}

/** A number in range, on the port's steps as far as they are decimal fractions. */
export function fitNumber(port: InputPort, value: number, step = stepOf(port)): number {
  const low = port.min ?? Number.NEGATIVE_INFINITY;
  const high = port.max ?? Number.POSITIVE_INFINITY;
  const places = isWhole(port) ? 0 : Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const rounded = Number(value.toFixed(Math.min(12, places)));
  return Math.min(high, Math.max(low, rounded)) + 0;
}

/** What someone typed as a number; null if it is none. A decimal comma is fine. */
export function typedNumber(port: InputPort, text: string): number | null {
  const plain = text.trim().replace(",", ".");
  if (plain === "" || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  if (!Number.isFinite(value)) return null;
  return fitNumber(port, value, 1e-12);
}

const text = (value: unknown): string => (typeof value === "number" || typeof value === "bigint" ? String(value) : "");

export function NumberField({ id, port, label, look, current, hint, problem, onChange, onGesture }: FieldProps) {
  const [draft, setDraft] = useState<string | null>(null);
  const input = useRef<HTMLInputElement>(null);
  const drag = useRef<{ x: number; from: number; moved: boolean } | null>(null);
  const value = typeof current === "number" ? current : typeof current === "bigint" ? Number(current) : null;
  const step = stepOf(port);
  const share = value !== null && slides(port) ? (value - (port.min ?? 0)) / ((port.max ?? 1) - (port.min ?? 0)) : null;

  const change = (next: number) => {
    if (next !== value) onChange(next);
  };
  const down = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0 || document.activeElement === input.current) return;
    event.preventDefault();
    event.currentTarget.setPointerCapture(event.pointerId);
    drag.current = { x: event.clientX, from: value ?? fitNumber(port, port.min ?? 0), moved: false };
  };
  const move = (event: PointerEvent<HTMLDivElement>) => {
    const now = drag.current;
    if (now === null) return;
    const by = event.clientX - now.x;
    if (!now.moved) {
      if (Math.abs(by) < SLOP) return;
      now.moved = true;
      onGesture?.("start");
    }
    const fine = step * (event.shiftKey ? 10 : event.altKey && !isWhole(port) ? 0.1 : 1);
    const width = event.currentTarget.getBoundingClientRect().width || 1;
    const raw =
      share === null ? now.from + Math.round(by / PIXELS_A_STEP) * fine : now.from + (by / width) * range(port);
    change(fitNumber(port, share === null ? raw : Math.round(raw / step) * step, Math.min(step, fine)));
  };
  const up = (event: PointerEvent<HTMLDivElement>) => {
    const now = drag.current;
    drag.current = null;
    if (now === null) return;
    if (now.moved) onGesture?.(event.type === "pointercancel" ? "cancel" : "end");
    else {
      input.current?.focus();
      input.current?.select();
    }
  };
  const keys = (event: KeyboardEvent<HTMLInputElement>) => {
    const sign = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    if (sign !== 0) {
      event.preventDefault();
      const fine = step * (event.shiftKey ? 10 : event.altKey && !isWhole(port) ? 0.1 : 1);
      setDraft(null);
      change(fitNumber(port, (value ?? 0) + sign * fine, Math.min(step, fine)));
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      setDraft(null);
      input.current?.select();
    } else if (event.key === "Escape" && draft !== null) {
      event.stopPropagation();
      setDraft(null);
    }
  };
  return (
    <div
      className="nf-field nf-number nodrag"
      data-slider={share === null ? undefined : ""}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
    >
      {share !== null && share > 0 && (
        <span className="nf-fill" style={{ width: `${Math.min(1, Math.max(0, share)) * 100}%` }} />
      )}
      <FieldLabel id={id} label={label} look={look} />
      <input
        ref={input}
        id={id}
        className="nf-value"
        role="spinbutton"
        inputMode={isWhole(port) ? "numeric" : "decimal"}
        autoComplete="off"
        spellCheck={false}
        value={draft ?? text(current)}
        placeholder={port.required ? "needed" : "none"}
        aria-label={look === "node" ? undefined : label}
        aria-description={hint}
        aria-invalid={problem ? true : undefined}
        aria-valuenow={value ?? undefined}
        aria-valuemin={port.min ?? undefined}
        aria-valuemax={port.max ?? undefined}
        onFocus={(event) => event.target.select()}
        onChange={(event) => {
          setDraft(event.target.value);
          const next = typedNumber(port, event.target.value);
          if (next !== null) change(next);
          else if (event.target.value.trim() === "" && !port.required) onChange(undefined);
        }}
        onBlur={() => setDraft(null)}
        onKeyDown={keys}
      />
      {port.unit && <span className="nf-unit">{port.unit}</span>}
    </div>
  );
}

const range = (port: InputPort) => (port.max ?? 1) - (port.min ?? 0);
const slides = (port: InputPort) =>
  port.min !== null && port.max !== null && range(port) > 0 && range(port) / stepOf(port) <= 200;
