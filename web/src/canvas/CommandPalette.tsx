/** Ctrl+K: every command that can be done now, by name. Made from the commands table. */

import { useMemo } from "react";
import { chordText } from "../commands/keys";
import { type Command, shortcutsOf, useCommands } from "../commands/table";
import { rank } from "./fuzzy";
import { SearchDialog } from "./SearchDialog";
import { currentView, setUi, useUi } from "./ui";

export function CommandPalette() {
  const open = useUi((ui) => ui.commands);
  return open ? <CommandBox /> : null;
}

function CommandBox() {
  const { commands, bindings } = useCommands();
  const able = useMemo(() => [...commands.values()].filter((c) => !c.hidden && c.enabled?.() !== false), [commands]);
  const close = () => {
    setUi({ commands: false });
    currentView()?.focus();
  };
  const pick = (command: Command | undefined) => {
    close();
    if (command) setTimeout(() => void command.run());
  };
  return (
    <SearchDialog
      title="All commands"
      search="Search commands"
      placeholder="What do you want to do?"
      list="Commands"
      find={(query) => rank(query, able, (command) => [command.title, command.group, command.id])}
      idOf={(command) => command.id}
      none={(query) => `No command fits “${query}”.`}
      onPick={pick}
      onClose={close}
    >
      {(command) => (
        <>
          <span>{command.title}</span>
          <small>{command.group}</small>
          {[...(command.fixed ?? []), ...shortcutsOf(command, bindings)].slice(0, 1).map((chord) => (
            <kbd key={chord}>{chordText(chord)}</kbd>
          ))}
        </>
      )}
    </SearchDialog>
  );
}
