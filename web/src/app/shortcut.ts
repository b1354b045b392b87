/** The keys of commands as tooltips and menus show them: those that the user has set, in this system's signs. */

import { chordText } from "../commands/keys";
import { shortcutsOf, useCommands } from "../commands/table";

/** "Ctrl+Enter", "⌘↩"; "" if the command has no keys. */
export function useShortcut(id: string): string {
  return useCommands(({ commands, bindings }) => {
    const command = commands.get(id);
    const chord = command && shortcutsOf(command, bindings)[0];
    return chord ? chordText(chord) : "";
  });
}

/** "Gallery (Alt+G)". */
export function useTitle(text: string, id: string): string {
  const keys = useShortcut(id);
  return keys === "" ? text : `${text} (${keys})`;
}
