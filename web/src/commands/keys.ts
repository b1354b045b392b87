/** From a key press to a command. No shortcut fires while someone types in a field. */

import { type Command, shortcutsOf, useCommands } from "./table";

export const isMac = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform);

export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly shiftKey: boolean;
  readonly altKey: boolean;
}

const PLAIN_MODIFIERS = new Set(["Control", "Shift", "Alt", "Meta"]);

/** A key press as shortcuts are written: "Mod+Shift+Z". "" for a modifier alone. */
export function chordOf(press: Press): string {
  if (PLAIN_MODIFIERS.has(press.key)) return "";
  const mod = isMac ? press.metaKey : press.ctrlKey;
  const control = isMac && press.ctrlKey;
  const key = press.key === " " ? "Space" : press.key.length === 1 ? press.key.toUpperCase() : press.key;
  const isLetter = key.length > 1 || /[A-Z0-9]/.test(key);
  const parts = [mod && "Mod", control && "Ctrl", press.altKey && "Alt", press.shiftKey && isLetter && "Shift", key];
  return parts.filter(Boolean).join("+");
}

const NAMES: Record<string, string> = isMac
  ? { Mod: "⌘", Ctrl: "⌃", Alt: "⌥", Shift: "⇧", Delete: "⌦", Backspace: "⌫", Enter: "↩", Escape: "Esc" }
  : { Mod: "Ctrl", Escape: "Esc", Delete: "Del" };
const ARROWS: Record<string, string> = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };

/** The keys of a chord as people read them: ["Ctrl", "Shift", "Z"]. */
export function chordParts(chord: string): string[] {
  const parts = chord === "+" ? ["+"] : chord.split(/\+(?!$)/);
  return parts.map((part) => NAMES[part] ?? ARROWS[part] ?? part);
}

export const chordText = (chord: string): string => chordParts(chord).join(isMac ? "" : "+");

const FIELDS = "input:not([type=checkbox],[type=radio],[type=button],[type=range],[type=color]),textarea,select";

const isElement = (target: EventTarget | null): target is Element =>
  typeof Element !== "undefined" && target instanceof Element;

/** Whether keys are text for what has the focus. */
export function isTyping(target: EventTarget | null): boolean {
  if (!isElement(target)) return false;
  return target.closest(`${FIELDS},[contenteditable=""],[contenteditable=true],[data-typing]`) !== null;
}

/** The command that a key press means, given what has the focus. */
export function commandFor(press: Press, target: EventTarget | null): Command | undefined {
  const chord = chordOf(press);
  if (chord === "") return undefined;
  const { commands, bindings } = useCommands.getState();
  const typing = isTyping(target);
  for (const command of commands.values()) {
    if (!shortcutsOf(command, bindings).includes(chord)) continue;
    if (typing && !command.whileTyping) continue;
    if (command.onCanvas && !isOnCanvas(target)) continue;
    if (command.enabled?.() === false) continue;
    return command;
  }
  return undefined;
}

function isOnCanvas(target: EventTarget | null): boolean {
  if (!isElement(target) || target === document.body) return true;
  return target.closest("[data-canvas]") !== null;
}

/** Listen for shortcuts. Gives a function that stops it. */
export function installKeys(): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.isComposing) return;
    if (document.querySelector("dialog[open], [aria-modal=true]")) return;
    const command = commandFor(event, event.target);
    if (command === undefined) return;
    event.preventDefault();
    void command.run();
  };
  window.addEventListener("keydown", onKey);
  return () => window.removeEventListener("keydown", onKey);
}
