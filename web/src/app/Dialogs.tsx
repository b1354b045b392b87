/** The shell's dialogs: save as, a save that met another, what importing changed. */

import { type FormEvent, useEffect, useId, useState } from "react";
import * as client from "../api/client";
import { tabOf } from "../commands/store";
import { openOther, overwrite, saveAs } from "./files";
import { fileName, NAME } from "./format";
import { SettingsDialog } from "./SettingsDialog";
import { set, useShell } from "./shell";
import { Dialog } from "./ui/Dialog";

export function Dialogs() {
  const shell = useShell();
  return (
    <>
      {shell.settings && <SettingsDialog />}
      {shell.saveAs !== null && <SaveAs key={shell.saveAs} tab={shell.saveAs} />}
      {shell.conflict && <Conflict {...shell.conflict} />}
      {shell.report && (
        <Dialog
          title={shell.report.title}
          onClose={() => set({ report: null })}
          foot={
            <button type="button" className="btn primary" data-first="" onClick={() => set({ report: null })}>
              Close
            </button>
          }
        >
          <ul className="lines">
            {shell.report.lines.map((line, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: lines never move
              <li key={index}>{line}</li>
            ))}
          </ul>
        </Dialog>
      )}
    </>
  );
}

function SaveAs({ tab }: { tab: string }) {
  const [name, setName] = useState(() => fileName(tabOf(tab)?.name || tabOf(tab)?.title || ""));
  const [taken, setTaken] = useState<ReadonlySet<string>>(new Set());
  const id = useId();
  useEffect(() => {
    let here = true;
    client.workflows().then(
      (all) => here && setTaken(new Set(all.map((one) => one.name))),
      () => {},
    );
    return () => {
      here = false;
    };
  }, []);
  const close = () => set({ saveAs: null });
  const valid = NAME.test(name);
  const exists = taken.has(name);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!valid) return;
    if (exists) {
      close();
      await overwrite(tab, name);
    } else if (await saveAs(tab, name)) close();
    else close();
  };
  return (
    <Dialog
      title="Save as"
      onClose={close}
      foot={
        <>
          <button type="button" className="btn" onClick={close}>
            Cancel
          </button>
          <button type="submit" form={id} className={exists ? "btn danger" : "btn primary"} disabled={!valid}>
            {exists ? "Replace" : "Save"}
          </button>
        </>
      }
    >
      <form id={id} onSubmit={submit}>
        <label className="label" htmlFor={`${id}-name`}>
          Name
        </label>
        <input
          id={`${id}-name`}
          className="field"
          value={name}
          maxLength={100}
          aria-describedby={`${id}-hint`}
          data-first=""
          onFocus={(event) => event.target.select()}
          onChange={(event) => setName(event.target.value)}
        />
        <p className="hint" id={`${id}-hint`}>
          {exists
            ? "There is a workflow of this name already."
            : valid || name === ""
              ? "Letters, digits, spaces, dots, dashes and underscores."
              : "A name begins with a letter or digit and has only letters, digits, spaces, dots, dashes, underscores."}
        </p>
      </form>
    </Dialog>
  );
}

function Conflict({ tab, name }: { tab: string; name: string }) {
  const close = () => set({ conflict: null });
  const then = (run: () => void) => () => {
    close();
    run();
  };
  return (
    <Dialog
      title="Saved elsewhere in the meantime"
      onClose={close}
      foot={
        <>
          <button type="button" className="btn danger" onClick={then(() => void overwrite(tab, name))}>
            Replace it
          </button>
          <button type="button" className="btn" onClick={then(() => void openOther(name))}>
            Open the other version
          </button>
          <button type="button" className="btn primary" data-first="" onClick={then(() => set({ saveAs: tab }))}>
            Save under another name
          </button>
        </>
      }
    >
      <p>
        “{name}” was written by another window or program since you opened it. Nothing was overwritten, and your version
        is kept in this tab.
      </p>
    </Dialog>
  );
}
