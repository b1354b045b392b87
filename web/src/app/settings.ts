/** What a user prefers on this machine: kept in the browser, never in a recipe. */

import { create } from "zustand";

export interface Settings {
  theme: "system" | "dark" | "light";
  /** What the wheel does over the canvas; a pinch always zooms. */
  wheel: "zoom" | "pan";
  snap: boolean;
  minimap: boolean;
  /** What a tab shows first. On a phone the form comes first. */
  view: "graph" | "form";
  /** Show the latest picture in the corner of the graph. */
  results: boolean;
}

const DEFAULTS: Settings = { theme: "system", wheel: "zoom", snap: true, minimap: true, view: "graph", results: true };
const PLACE = "nodeflow.settings";

/** Only known keys with values of the right kind: what is stored may be older or damaged. */
export function readSettings(text: string | null): Settings {
  try {
    const found = JSON.parse(text ?? "{}") as Record<string, unknown>;
    const entries = Object.entries(DEFAULTS).map(([key, value]) => [
      key,
      typeof found[key] === typeof value ? found[key] : value,
    ]);
    return Object.fromEntries(entries) as Settings;
  } catch {
    return DEFAULTS;
  }
}

const stored = typeof localStorage === "undefined" ? null : localStorage.getItem(PLACE);
export const useSettings = create<Settings>(() => readSettings(stored));

export function setSettings(change: Partial<Settings>): void {
  useSettings.setState(change);
  try {
    localStorage.setItem(PLACE, JSON.stringify(useSettings.getState()));
  } catch {
    // Storage is full or forbidden: then it holds for this visit.
  }
}

/** Put the theme on the page, now and whenever it or the system's changes. */
export function watchTheme(): () => void {
  const system = window.matchMedia("(prefers-color-scheme: light)");
  const show = () => {
    const { theme } = useSettings.getState();
    const now = theme === "system" ? (system.matches ? "light" : "dark") : theme;
    document.documentElement.dataset.theme = now;
    document.querySelector('meta[name="theme-color"]')?.setAttribute("content", now === "dark" ? "#17181b" : "#fbfbfc");
  };
  show();
  system.addEventListener("change", show);
  const stop = useSettings.subscribe(show);
  return () => {
    system.removeEventListener("change", show);
    stop();
  };
}
