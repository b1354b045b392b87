/** A choice from a list, searched by typing: choices of a port, installed models, names of sub-workflows. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { createPortal } from "react-dom";
import { rank } from "../fuzzy";
import { SearchList } from "../SearchList";
import { loadModels, useModels } from "./models";
import type { FieldProps } from "./Widget";

export interface Option {
  value: unknown;
  text: string;
  note?: string;
}

export function Combo(props: FieldProps) {
  const { id, port, label, look, current, hint, problem, onChange, choices } = props;
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const models = useModels((state) => (port.models ? state.byFolder.get(port.models) : undefined));
  useEffect(() => {
    if (port.models) void loadModels();
  }, [port.models]);
  const options = useMemo((): Option[] => {
    if (choices) return choices.map((value) => ({ value, text: String(value) }));
    if (port.choices) return port.choices.map((value) => ({ value, text: String(value) }));
    return (models ?? []).map((model) => ({ value: model.name, text: model.name, note: model.title }));
  }, [choices, port.choices, models]);
  const known = options.some((option) => option.value === current);
  const text = current === null || current === undefined ? "" : String(current);
  const close = (focus = true) => {
    setOpen(false);
    if (focus) button.current?.focus();
  };
  const step = (by: number) => {
    const at = options.findIndex((option) => option.value === current);
    const next = options[Math.min(options.length - 1, Math.max(0, at + by))];
    if (next && next.value !== current) onChange(next.value as never);
  };
  return (
    <>
      <button
        type="button"
        ref={button}
        id={id}
        className="nf-field nf-combo nodrag"
        aria-haspopup="listbox"
        aria-expanded={open}
        aria-label={look === "node" ? undefined : `${label}: ${text || "nothing chosen"}`}
        aria-description={hint}
        aria-invalid={problem ? true : undefined}
        data-missing={text !== "" && !known && options.length > 0 ? "" : undefined}
        onClick={() => setOpen(!open)}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" && event.altKey) setOpen(true);
          else if (event.key === "ArrowDown") step(1);
          else if (event.key === "ArrowUp") step(-1);
          else if (event.key.length === 1 && /\w/.test(event.key) && !event.ctrlKey && !event.metaKey) setOpen(true);
          else return;
          event.preventDefault();
          event.stopPropagation();
        }}
      >
        {look === "node" && <span className="nf-label">{label}</span>}
        <span className="nf-value">{text || (port.required ? "choose…" : "none")}</span>
        <svg width="10" height="10" viewBox="0 0 10 10" aria-hidden="true" className="nf-caret">
          <path d="M2 3.5 5 6.5 8 3.5" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" />
        </svg>
      </button>
      {open && (
        <OptionList
          label={label}
          options={options}
          current={current}
          anchor={button.current}
          optional={!port.required && port.default === null}
          close={close}
          pick={(value) => {
            close();
            onChange(value as never);
          }}
        />
      )}
    </>
  );
}

interface ListProps {
  label: string;
  options: readonly Option[];
  current: unknown;
  anchor: HTMLElement | null;
  optional: boolean;
  close: (focus?: boolean) => void;
  pick: (value: unknown) => void;
}

const CLASSES = { field: "nf-options-search", list: "nf-options-list" };
const MARGIN = 8;

/** The list, with a field to search it. */
export function OptionList({ label, options, current, anchor, optional, close, pick }: ListProps) {
  const [query, setQuery] = useState("");
  const list = useRef<HTMLDivElement>(null);
  const all = useMemo(
    () => (optional ? [{ value: undefined, text: "none" }, ...options] : options),
    [options, optional],
  );
  const found = useMemo(() => rank(query, all, (option) => [option.text, option.note ?? ""]), [query, all]);
  const first = Math.max(
    0,
    all.findIndex((option) => option.value === current),
  );
  useLayoutEffect(() => {
    const box = list.current;
    if (!box || !anchor) return;
    const from = anchor.getBoundingClientRect();
    box.style.minWidth = `${Math.max(200, Math.min(from.width, 420))}px`;
    const below = from.bottom + 4 + box.offsetHeight <= window.innerHeight - MARGIN;
    box.style.top = `${below ? from.bottom + 4 : Math.max(MARGIN, from.top - 4 - box.offsetHeight)}px`;
    box.style.left = `${Math.max(MARGIN, Math.min(from.left, window.innerWidth - MARGIN - box.offsetWidth))}px`;
  }, [anchor]);
  useEffect(() => {
    const outside = (event: PointerEvent) => {
      if (!list.current?.contains(event.target as Node) && !anchor?.contains(event.target as Node)) close(false);
    };
    document.addEventListener("pointerdown", outside, true);
    return () => document.removeEventListener("pointerdown", outside, true);
  });
  return createPortal(
    <div className="nf-options nowheel" ref={list}>
      <SearchList
        search={`Search ${label}`}
        placeholder="Search…"
        list={label}
        classes={CLASSES}
        query={query}
        setQuery={setQuery}
        found={found}
        first={first}
        idOf={(option) => option.text}
        attributes={(option) => ({ "data-current": option.value === current || undefined })}
        none={`Nothing fits “${query}”.`}
        onPick={(option) => option && pick(option.value)}
        onKey={(key) => {
          if (key !== "Escape" && key !== "Tab") return false;
          close();
          return true;
        }}
      >
        {(option) => (
          <>
            <span>{option.text}</span>
            {option.note && <small>{option.note}</small>}
          </>
        )}
      </SearchList>
    </div>,
    document.body,
  );
}
