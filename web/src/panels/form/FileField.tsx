/** A file of the uploads: choose one, drop one, paint a mask over a picture. */

import { type DragEvent, useEffect, useRef, useState } from "react";
import * as client from "../../api/client";
import { inWords } from "../../api/http";
import type { InputPort, Upload } from "../../api/types";
import { Icon } from "../../app/icons";
import { toast } from "../../app/toasts";
import type { Value } from "../../model/recipe";
import { openMaskPainter } from "../mask/open";

const PICTURES = /\.(png|jpe?g|webp)$/i;

interface Props {
  id: string;
  about: string;
  title: string;
  port: InputPort;
  value: unknown;
  onChange: (value: Value) => void;
}

export function FileField({ id, about, title, port, value, onChange }: Props) {
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const [busy, setBusy] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const name = typeof value === "string" ? value : "";
  useEffect(() => {
    let here = true;
    client.uploads().then(
      (found) => here && setUploads(found),
      () => {},
    );
    return () => {
      here = false;
    };
  }, []);
  const takes = (file: string) =>
    port.suffixes.length === 0 || port.suffixes.some((suffix) => file.toLowerCase().endsWith(suffix));
  const store = async (file: File | undefined) => {
    if (file === undefined) return;
    setBusy(true);
    try {
      const upload = await client.upload(file, file.name);
      setUploads((now) => [upload, ...now.filter((one) => one.name !== upload.name)]);
      onChange(upload.name);
    } catch (error) {
      toast(`${file.name} was not stored. ${inWords(error)}`, "bad");
    } finally {
      setBusy(false);
    }
  };
  const drop = (event: DragEvent) => {
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    void store(event.dataTransfer.files[0]);
  };
  const known = uploads.find((upload) => upload.name === name);
  const fitting = uploads.filter((upload) => takes(upload.name));
  const picture = known !== undefined && PICTURES.test(name);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is beside the button that does the same
    <div className="file-field" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      {picture && (
        <img className="checker" src={client.uploadAddress(name)} alt={`${title}: ${name}`} draggable={false} />
      )}
      <div className="seed-row">
        <select
          id={id}
          className="field"
          aria-describedby={about}
          value={name}
          onChange={(event) => onChange(event.target.value)}
        >
          {!known && <option value={name}>{name || "Choose a file…"}</option>}
          {fitting.map((upload) => (
            <option key={upload.name} value={upload.name}>
              {upload.name}
            </option>
          ))}
        </select>
        <button
          type="button"
          className="btn icon"
          aria-label={`Upload a file for ${title}`}
          title="Upload a file"
          disabled={busy}
          onClick={() => picker.current?.click()}
        >
          {busy ? <span className="spinner" /> : <Icon name="upload" />}
        </button>
        {picture && (
          <button
            type="button"
            className="btn icon"
            aria-label={`Paint a mask on ${title}`}
            title="Paint a mask"
            onClick={() =>
              openMaskPainter({
                address: client.uploadAddress(name),
                name,
                onDone: (upload) => {
                  setUploads((now) => [upload, ...now.filter((one) => one.name !== upload.name)]);
                  onChange(upload.name);
                },
              })
            }
          >
            <Icon name="brush" />
          </button>
        )}
      </div>
      <input
        ref={picker}
        type="file"
        hidden
        accept={port.suffixes.join(",") || undefined}
        onChange={(event) => void store(event.target.files?.[0])}
      />
    </div>
  );
}
