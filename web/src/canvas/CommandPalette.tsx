/** Ctrl+K: every command that can be done now, by name. Made from the commands table. */

import { useId, useMemo, useRef, useState } from "react";
import { Dialog } from "../app/ui/Dialog";
import { chordText } from "../commands/keys";
import { type Command, shortcutsOf, useCommands } from "../commands/table";
import { rank } from "./fuzzy";
import { currentView, setUi, useUi } from "./ui";

export function CommandPalette() {
  const open = useUi((ui) => ui.commands);
  return open ? <CommandBox /> : null;
}

function CommandBox() {
  const { commands, bindings } = useCommands();
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const name = useId();
  const list = useRef<HTMLDivElement>(null);
  const able = useMemo(() => [...commands.values()].filter((c) => !c.hidden && c.enabled?.() !== false), [commands]);
  const found = rank(query, able, (command) => [command.title, command.group, command.id]);
  const chosen = Math.min(at, found.length - 1);
  const close = () => {
    setUi({ commands: false });
    currentView()?.focus();
  };
  const pick = (command: Command | undefined) => {
    close();
    if (command) setTimeout(() => void command.run());
  };
  const go = (to: number) => {
    setAt(to);
    requestAnimationFrame(() =>
      list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: "nearest" }),
    );
  };
  return (
    <Dialog title="All commands" onClose={close}>
      <input
        autoFocus
        className="field"
        role="combobox"
        aria-expanded="true"
        aria-controls={name}
        aria-activedescendant={found[chosen] ? `${name}-${chosen}` : undefined}
        aria-label="Search commands"
        placeholder="What do you want to do?"
        value={query}
        onChange={(event) => {
          setQuery(event.target.value);
          setAt(0);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown") go(Math.min(found.length - 1, chosen + 1));
          else if (event.key === "ArrowUp") go(Math.max(0, chosen - 1));
          else if (event.key === "Enter") pick(found[chosen]);
          else return;
          event.preventDefault();
        }}
      />
      <div role="listbox" id={name} ref={list} aria-label="Commands" className="nf-commands">
        {found.map((command, i) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the field keeps the focus, by aria-activedescendant
          // biome-ignore lint/a11y/useKeyWithClickEvents: keys are the field's
          <div
            key={command.id}
            id={`${name}-${i}`}
            role="option"
            aria-selected={i === chosen}
            data-command={command.id}
            onPointerMove={() => setAt(i)}
            onClick={() => pick(command)}
          >
            <span>{command.title}</span>
            <small>{command.group}</small>
            {[...(command.fixed ?? []), ...shortcutsOf(command, bindings)].slice(0, 1).map((chord) => (
              <kbd key={chord}>{chordText(chord)}</kbd>
            ))}
          </div>
        ))}
        {found.length === 0 && <p className="nf-options-empty">No command fits “{query}”.</p>}
      </div>
    </Dialog>
  );
}
