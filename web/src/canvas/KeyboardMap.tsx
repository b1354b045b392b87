/** `?`: all commands with their keys, which can be changed here. Made from the commands table. */

import { useState } from "react";
import { Dialog } from "../app/ui/Dialog";
import { chordOf, chordParts } from "../commands/keys";
import { bind, type Command, resetBindings, shortcutsOf, useCommands } from "../commands/table";
import { currentView, setUi, useUi } from "./ui";

const GROUPS: Command["group"][] = ["Edit", "Node", "Arrange", "View", "Run", "File", "Help"];

/** What the pointer does: not commands, but good to know. */
const POINTER: [string, string][] = [
  ["Pan", "middle drag, or Space and drag"],
  ["Zoom", "wheel; pinch"],
  ["Add a node here", "double click on the canvas, or Tab"],
  ["Select several", "drag on the canvas"],
  ["Cut wires", "Alt and drag on the canvas"],
  ["Duplicate", "Alt and drag a node"],
  ["Bend a wire", "double click on it"],
  ["Put a node into a wire", "drop it on the wire"],
  ["Open a subgraph", "double click on its title"],
];

export function KeyboardMap() {
  const open = useUi((ui) => ui.keys);
  return open ? <MapBox /> : null;
}

function MapBox() {
  const { commands, bindings } = useCommands();
  const [waiting, setWaiting] = useState("");
  const close = () => {
    setUi({ keys: false });
    currentView()?.focus();
  };
  const all = [...commands.values()];
  const changed = Object.keys(bindings).length > 0;
  return (
    <Dialog
      title="Keyboard"
      wide
      onClose={close}
      foot={
        <button type="button" className="btn" disabled={!changed} onClick={resetBindings}>
          All keys as they come
        </button>
      }
    >
      <p className="hint">
        Click a command's keys and press others to change them. Nothing fires while you type in a field.
      </p>
      <div className="nf-keys">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group}</h3>
            <dl>
              {all
                .filter(
                  (command) =>
                    command.group === group && (!command.hidden || shortcutsOf(command, bindings).length > 0),
                )
                .map((command) => (
                  <div key={command.id} data-command={command.id}>
                    <dt>{command.title}</dt>
                    <dd>
                      <Keys
                        command={command}
                        waiting={waiting === command.id}
                        wait={(on) => setWaiting(on ? command.id : "")}
                      />
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
        <section>
          <h3>Pointer</h3>
          <dl>
            {POINTER.map(([what, how]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd className="hint">{how}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </Dialog>
  );
}

function Keys({ command, waiting, wait }: { command: Command; waiting: boolean; wait: (on: boolean) => void }) {
  const bindings = useCommands((table) => table.bindings);
  const keys = shortcutsOf(command, bindings);
  return (
    <span className="nf-binding">
      {command.fixed?.map((chord) => (
        <span key={chord} title="The browser's own keys">
          {chordParts(chord).map((part) => (
            <kbd key={part}>{part}</kbd>
          ))}
        </span>
      ))}
      <button
        type="button"
        data-typing
        aria-label={`Keys of “${command.title}”: ${keys.join(" or ") || "none"}. Press to change`}
        onClick={() => wait(!waiting)}
        onBlur={() => wait(false)}
        onKeyDown={(event) => {
          if (!waiting) return;
          event.preventDefault();
          event.stopPropagation();
          const chord = chordOf(event);
          if (chord === "") return;
          wait(false);
          if (chord !== "Escape") bind(command.id, chord === "Backspace" && keys.length ? [] : [chord]);
        }}
      >
        {waiting ? (
          <i>press keys…</i>
        ) : keys.length ? (
          keys.slice(0, 2).map((chord) => (
            <span key={chord}>
              {chordParts(chord).map((part) => (
                <kbd key={part}>{part}</kbd>
              ))}
            </span>
          ))
        ) : (
          <small>{command.fixed ? "" : "none"}</small>
        )}
      </button>
      {Object.hasOwn(bindings, command.id) && (
        <button
          type="button"
          className="nf-reset-key"
          aria-label={`Reset the keys of “${command.title}”`}
          title="Reset"
          onClick={() => bind(command.id, undefined)}
        >
          ↺
        </button>
      )}
    </span>
  );
}
