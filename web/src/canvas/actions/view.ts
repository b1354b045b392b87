/** Commands that move the view, and the two maps of all commands. */

import { setSettings, useSettings } from "../../app/settings";
import { announce } from "../../commands/announce";
import { useTabs } from "../../commands/store";
import type { Command } from "../../commands/table";
import type { Path } from "../../model/scope";
import { currentView, setUi } from "../ui";
import { reveal } from "../useView";
import { shown } from "./meant";

/** What `view.reveal` goes to: a node, and one of its widgets. `at`: the definitions around it; `path`: the way there. */
interface RevealArgs {
  tab: string;
  at: readonly string[];
  node: string;
  port: string;
  path?: Path;
}

export const VIEW: Command[] = [
  {
    id: "view.fit",
    title: "Show all",
    group: "View",
    shortcut: "Home",
    onCanvas: true,
    enabled: shown,
    run: () => currentView()?.fit(false),
  },
  {
    id: "view.fit-selection",
    title: "Show the selection",
    group: "View",
    shortcut: ".",
    onCanvas: true,
    enabled: shown,
    run: () => currentView()?.fit(true),
  },
  {
    id: "view.zoom-in",
    title: "Zoom in",
    group: "View",
    shortcut: ["Mod++", "Mod+="],
    enabled: shown,
    run: () => currentView()?.zoom(1.25),
  },
  {
    id: "view.zoom-out",
    title: "Zoom out",
    group: "View",
    shortcut: "Mod+-",
    enabled: shown,
    run: () => currentView()?.zoom(0.8),
  },
  {
    id: "view.snap",
    title: "Snap to the grid while dragging, or not",
    group: "View",
    enabled: shown,
    run: () => {
      setSettings({ snap: !useSettings.getState().snap });
      announce(useSettings.getState().snap ? "Snaps to the grid" : "Moves freely");
    },
  },
  {
    id: "view.wheel",
    title: "The wheel zooms, or pans",
    group: "View",
    run: () => {
      const wheel = useSettings.getState().wheel === "zoom" ? "pan" : "zoom";
      setSettings({ wheel });
      announce(`The wheel ${wheel}s`);
    },
  },
  {
    id: "view.reveal",
    title: "Go to a node",
    group: "View",
    hidden: true,
    run: (args) => {
      const { tab, at = [], node = "", port = "", path } = (args ?? {}) as Partial<RevealArgs>;
      reveal(tab ?? useTabs.getState().active, at, node, port, path);
    },
  },
  {
    id: "help.commands",
    title: "All commands",
    group: "Help",
    shortcut: "Mod+K",
    whileTyping: true,
    hidden: true,
    run: () => setUi({ commands: true }),
  },
  { id: "help.keys", title: "Keyboard map", group: "Help", shortcut: "?", run: () => setUi({ keys: true }) },
];
