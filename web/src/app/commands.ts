/** The shell's commands, in the table that the command palette and the keyboard map are made from. */

import { useQueue } from "../api/queue";
import { activeTab, useTabs } from "../commands/store";
import { register } from "../commands/table";
import { chooseFiles, closeTab, download, newTab, reopenClosed, save } from "./files";
import { cancelCurrent, clearAll, queueActive, setPaused } from "./runner";
import { setSettings, useSettings } from "./settings";
import { set, showPage, showView, toggleDock, useShell, viewOf } from "./shell";

const hasTab = () => activeTab() !== undefined;
const onTab = () => hasTab() && useShell.getState().page === "tab";

function step(by: number): void {
  const { tabs, active, activate } = useTabs.getState();
  const at = tabs.findIndex((tab) => tab.id === active);
  const next = tabs[(at + by + tabs.length) % tabs.length];
  if (next) {
    activate(next.id);
    showPage("tab");
  }
}

function toggleView(): void {
  const tab = activeTab();
  if (tab) showView(tab.id, viewOf(useShell.getState().views, tab.id) === "form" ? "graph" : "form");
}

function toggleTheme(): void {
  const dark = document.documentElement.dataset.theme !== "light";
  setSettings({ theme: dark ? "light" : "dark" });
}

export function registerCommands(): () => void {
  return register(
    {
      id: "run.queue",
      title: "Queue",
      group: "Run",
      shortcut: "Mod+Enter",
      whileTyping: true,
      enabled: onTab,
      run: queueActive,
    },
    {
      id: "run.cancel",
      title: "Cancel the current run",
      group: "Run",
      shortcut: "Mod+Alt+Enter",
      whileTyping: true,
      run: cancelCurrent,
    },
    { id: "run.clear", title: "Clear the queue and stop what runs", group: "Run", run: clearAll },
    {
      id: "run.pause",
      title: "Pause or resume the queue",
      group: "Run",
      run: () => setPaused(!useQueue.getState().paused),
    },
    { id: "file.new", title: "New workflow", group: "File", shortcut: "Alt+N", run: () => void newTab() },
    { id: "file.open", title: "Open a file…", group: "File", shortcut: "Mod+O", whileTyping: true, run: chooseFiles },
    {
      id: "file.save",
      title: "Save",
      group: "File",
      shortcut: "Mod+S",
      whileTyping: true,
      enabled: hasTab,
      run: () => save(),
    },
    {
      id: "file.save-as",
      title: "Save as…",
      group: "File",
      shortcut: "Mod+Shift+S",
      whileTyping: true,
      enabled: hasTab,
      run: () => set({ saveAs: activeTab()?.id ?? null }),
    },
    { id: "file.download", title: "Download the recipe", group: "File", enabled: hasTab, run: () => download() },
    {
      id: "file.close",
      title: "Close the tab",
      group: "File",
      shortcut: "Alt+W",
      enabled: hasTab,
      run: () => closeTab(useTabs.getState().active),
    },
    { id: "file.reopen", title: "Reopen the closed tab", group: "File", shortcut: "Alt+Shift+T", run: reopenClosed },
    {
      id: "view.next-tab",
      title: "Next tab",
      group: "View",
      shortcut: "Alt+PageDown",
      enabled: hasTab,
      run: () => step(1),
    },
    {
      id: "view.previous-tab",
      title: "Previous tab",
      group: "View",
      shortcut: "Alt+PageUp",
      enabled: hasTab,
      run: () => step(-1),
    },
    { id: "view.home", title: "Start page", group: "View", shortcut: "Alt+Home", run: () => showPage("home") },
    { id: "view.gallery", title: "Gallery", group: "View", shortcut: "Alt+G", run: () => showPage("gallery") },
    {
      id: "view.form",
      title: "Switch between graph and form",
      group: "View",
      shortcut: "Alt+F",
      enabled: onTab,
      run: toggleView,
    },
    { id: "view.queue", title: "Queue panel", group: "View", shortcut: "Alt+Q", run: () => toggleDock("queue") },
    { id: "view.history", title: "History panel", group: "View", shortcut: "Alt+H", run: () => toggleDock("history") },
    {
      id: "view.problems",
      title: "Problems panel",
      group: "View",
      shortcut: "Alt+P",
      run: () => toggleDock("problems"),
    },
    { id: "view.theme", title: "Switch between dark and light", group: "View", run: toggleTheme },
    {
      id: "view.minimap",
      title: "Show or hide the minimap",
      group: "View",
      run: () => setSettings({ minimap: !useSettings.getState().minimap }),
    },
    { id: "app.settings", title: "Settings", group: "Help", shortcut: "Mod+,", run: () => set({ settings: true }) },
  );
}
