/**
 * All commands, in one table: what can be done, by which name, with which keys. The command palette (Ctrl+K), the
 * keyboard map (?) and the menus are made from it, and whoever adds a feature registers its commands here.
 */

import { create } from "zustand";

export interface Command {
  readonly id: string;
  readonly title: string;
  /** A heading of the keyboard map. */
  readonly group: "Edit" | "View" | "Node" | "Arrange" | "Run" | "File" | "Help";
  /** Such as "Mod+Shift+Z", "Delete", "?": Mod is Ctrl, or Cmd on a Mac. Several: any of them. */
  readonly shortcut?: string | readonly string[];
  /** Keys that the browser or the canvas itself listens to: shown, but not to be changed. */
  readonly fixed?: readonly string[];
  /** Fires also while a text field has the focus. Only for chords that no field has a use for. */
  readonly whileTyping?: boolean;
  /** Needs the focus on the canvas or on nothing: Delete on a button elsewhere must not delete nodes. */
  readonly onCanvas?: boolean;
  /** Not in the palette: it makes sense only under the pointer. */
  readonly hidden?: boolean;
  /** Whether it can be done now. */
  enabled?(): boolean;
  run(args?: unknown): void | Promise<void>;
}

interface Table {
  readonly commands: ReadonlyMap<string, Command>;
  /** Shortcuts that the user has set, by command. */
  readonly bindings: { readonly [id: string]: readonly string[] };
}

const PLACE = "nodeflow.keys";

export const useCommands = create<Table>(() => ({ commands: new Map(), bindings: stored() }));

function stored(): Table["bindings"] {
  if (typeof localStorage === "undefined") return {};
  try {
    const found = JSON.parse(localStorage.getItem(PLACE) ?? "{}") as Record<string, unknown>;
    const valid = Object.entries(found).filter(
      ([, keys]) => Array.isArray(keys) && keys.every((key) => typeof key === "string"),
    );
    return Object.fromEntries(valid) as Table["bindings"];
  } catch {
    return {};
  }
}

/** Add a command; one with the same id is replaced. Gives a function that takes it out again. */
export function register(...added: Command[]): () => void {
  useCommands.setState((table) => {
    const commands = new Map(table.commands);
    for (const command of added) commands.set(command.id, command);
    return { commands };
  });
  return () =>
    useCommands.setState((table) => {
      const commands = new Map(table.commands);
      for (const command of added) if (commands.get(command.id) === command) commands.delete(command.id);
      return { commands };
    });
}

/** Do it, if it can be done now. */
export function run(id: string, args?: unknown): boolean {
  const command = useCommands.getState().commands.get(id);
  if (command === undefined || command.enabled?.() === false) return false;
  void command.run(args);
  return true;
}

/** The keys of a command: the user's, or its own. */
export function shortcutsOf(command: Command, bindings = useCommands.getState().bindings): readonly string[] {
  const own = Object.hasOwn(bindings, command.id) ? bindings[command.id] : undefined;
  if (own !== undefined) return own;
  return typeof command.shortcut === "string" ? [command.shortcut] : (command.shortcut ?? []);
}

/** Give a command other keys; undefined: its own again. A command that had these keys loses them. */
export function bind(id: string, keys: readonly string[] | undefined): void {
  useCommands.setState((table) => {
    const { [id]: _before, ...others } = table.bindings;
    const bindings: Record<string, readonly string[]> = { ...others };
    for (const command of table.commands.values()) {
      if (command.id === id || keys === undefined) continue;
      const held = shortcutsOf(command, table.bindings);
      if (held.some((key) => keys.includes(key))) bindings[command.id] = held.filter((key) => !keys.includes(key));
    }
    if (keys !== undefined) bindings[id] = keys;
    return { bindings };
  });
  save();
}

/** All keys as they come. */
export function resetBindings(): void {
  useCommands.setState({ bindings: {} });
  save();
}

function save(): void {
  try {
    localStorage.setItem(PLACE, JSON.stringify(useCommands.getState().bindings));
  } catch {
    // Storage is full or forbidden: then it holds for this visit.
  }
}
