/** A picture file: chosen from what was uploaded, or uploaded here, by a button or by dropping it. Shows what it is. */

import { type DragEvent, useRef, useState } from "react";
import { create } from "zustand";
import { upload, uploadAddress, uploads } from "../../api/client";
import { inWords } from "../../api/http";
import type { Upload } from "../../api/types";
import { announce } from "../../commands/announce";
import { OptionList } from "./Combo";
import type { FieldProps } from "./Widget";

const useUploads = create<{ items: readonly Upload[] }>(() => ({ items: [] }));

async function loadUploads(): Promise<void> {
  try {
    useUploads.setState({ items: await uploads() });
  } catch {
    // The server is away: the list stays as it is.
  }
}

export function FileField({ id, port, label, look, current, hint, problem, onChange, onPaint }: FieldProps) {
  const picker = useRef<HTMLInputElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const [open, setOpen] = useState(false);
  const [busy, setBusy] = useState(false);
  const [broken, setBroken] = useState("");
  const items = useUploads((state) => state.items);
  const name = typeof current === "string" ? current : "";
  const send = async (file: File | undefined) => {
    if (file === undefined) return;
    setBusy(true);
    try {
      const made = await upload(file, file.name);
      onChange(made.name);
      announce(`${made.name} uploaded`);
    } catch (error) {
      announce(`Not uploaded. ${inWords(error)}`, "refused");
    } finally {
      setBusy(false);
    }
  };
  const drop = (event: DragEvent) => {
    const file = event.dataTransfer.files[0];
    if (file === undefined || !file.type.startsWith("image/")) return;
    event.preventDefault();
    event.stopPropagation();
    void send(file);
  };
  const options = items
    .filter((item) => item.media_type.startsWith("image/"))
    .map((item) => ({ value: item.name, text: item.name }));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping a file is a second way; the button does the same
    <div className="nf-file nodrag" data-look={look} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <div className="nf-field">
        <button
          type="button"
          ref={button}
          id={id}
          className="nf-file-name"
          aria-haspopup="listbox"
          aria-expanded={open}
          aria-label={`${label}: ${name || "no picture chosen"}`}
          aria-description={hint}
          aria-invalid={problem ? true : undefined}
          onClick={() => {
            void loadUploads();
            setOpen(!open);
          }}
        >
          {look === "node" && <span className="nf-label">{label}</span>}
          <span className="nf-value">{busy ? "uploading…" : name || "choose…"}</span>
        </button>
        {onPaint && name && (
          <button
            type="button"
            className="nf-chip"
            aria-label={`Paint a mask on ${label}`}
            title="Paint a mask"
            onClick={() => onPaint(name)}
          >
            ✎
          </button>
        )}
        <button
          type="button"
          className="nf-chip"
          aria-label={`Upload a picture for ${label}`}
          title="Upload a picture"
          onClick={() => picker.current?.click()}
        >
          ↥
        </button>
        <input
          ref={picker}
          type="file"
          accept="image/png,image/jpeg,image/webp"
          hidden
          tabIndex={-1}
          aria-label={`Picture file for ${label}`}
          onChange={(event) => {
            void send(event.target.files?.[0]);
            event.target.value = "";
          }}
        />
      </div>
      {name && (
        <div className="nf-picture checker">
          {broken === name ? (
            <span>no preview</span>
          ) : (
            <img
              src={uploadAddress(name)}
              alt={name}
              draggable={false}
              loading="lazy"
              onError={() => setBroken(name)}
            />
          )}
        </div>
      )}
      {open && (
        <OptionList
          label={label}
          options={options}
          current={current}
          anchor={button.current}
          optional={!port.required}
          close={(focus = true) => {
            setOpen(false);
            if (focus) button.current?.focus();
          }}
          pick={(value) => {
            setOpen(false);
            button.current?.focus();
            onChange(value as string | undefined);
          }}
        />
      )}
    </div>
  );
}
