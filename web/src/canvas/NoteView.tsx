/** A sticky note: text on a colour. Double click or Enter writes in it. */

import type { NodeProps } from "@xyflow/react";
import { memo } from "react";
import { editView } from "../commands/store";
import { changeNote } from "../model/layout";
import { Resize } from "./FrameView";
import type { NoteNode } from "./flow";
import { withColour } from "./types";
import { currentView, setUi, useUi } from "./ui";

export const NoteView = memo(
  function NoteView({ id, data, selected }: NodeProps<NoteNode>) {
    const { tab, note } = data;
    const writing = useUi((ui) => ui.renaming === id);
    return (
      // biome-ignore lint/a11y/noStaticElementInteractions: Enter on the note does the same
      <div
        className="nf-note"
        data-selected={selected || undefined}
        style={withColour(note.colour || "yellow")}
        onDoubleClick={(event) => {
          event.stopPropagation();
          setUi({ renaming: id });
        }}
      >
        {writing ? (
          <textarea
            // biome-ignore lint/a11y/noAutofocus: writing was asked for; focus goes back to the canvas
            autoFocus
            className="nodrag nowheel"
            aria-label="Text of the note"
            value={note.text}
            onChange={(event) =>
              editView(tab, "Write a note", (scope) => changeNote(scope, note.key, { text: event.target.value }), {
                key: `note:${note.key}`,
              })
            }
            onBlur={() => setUi({ renaming: "" })}
            onKeyDown={(event) => {
              if (event.key !== "Escape") return;
              event.stopPropagation();
              setUi({ renaming: "" });
              currentView()?.focus();
            }}
          />
        ) : (
          <p>{note.text || <i>Double click to write</i>}</p>
        )}
        {selected && (
          <Resize
            tab={tab}
            minWidth={100}
            minHeight={48}
            onResize={(x, y, width, height) =>
              editView(tab, "Resize the note", (scope) =>
                changeNote(scope, note.key, { at: [x, y], size: [width, height] }),
              )
            }
          />
        )}
      </div>
    );
  },
  (a, b) => a.data === b.data && a.selected === b.selected,
);
