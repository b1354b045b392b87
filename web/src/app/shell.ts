/** What the shell shows: which page, which side panel, which view of a tab. Not part of any document. */

import { create } from "zustand";
import type { ArtefactInfo } from "../api/types";
import { useTabs } from "../commands/store";
import { useSettings } from "./settings";

export type Page = "home" | "gallery" | "tab";
export type Dock = "queue" | "history" | "problems";
export type TabView = "graph" | "form";

export interface Report {
  title: string;
  lines: readonly string[];
}

interface Shell {
  page: Page;
  /** The side panel; null: closed. */
  dock: Dock | null;
  views: Readonly<Record<string, TabView>>;
  batch: number;
  settings: boolean;
  saveAs: string | null;
  /** What importing a file said. */
  report: Report | null;
  viewer: { items: readonly ArtefactInfo[]; index: number } | null;
  /** Results that are ticked in the gallery, to be compared. */
  chosen: readonly number[];
  compare: readonly [ArtefactInfo, ArtefactInfo] | null;
  /** A save that was refused because the named recipe was written elsewhere. */
  conflict: { tab: string; name: string } | null;
  signedOut: boolean;
}

export const useShell = create<Shell>(() => ({
  page: "home",
  dock: null,
  views: {},
  batch: 1,
  settings: false,
  saveAs: null,
  report: null,
  viewer: null,
  chosen: [],
  compare: null,
  conflict: null,
  signedOut: false,
}));

export const set = useShell.setState;
export const NARROW = "(max-width: 719px)";
export const isNarrow = (): boolean => window.matchMedia(NARROW).matches;

export function showPage(page: Page): void {
  if (page === "tab" && useTabs.getState().active === "") return;
  set(isNarrow() ? { page, dock: null } : { page });
}

export function showTab(id: string): void {
  useTabs.getState().activate(id);
  showPage("tab");
}

export function toggleDock(dock: Dock): void {
  set((now) => ({ dock: now.dock === dock ? null : dock }));
}

/** On a phone a tab shows its form first; elsewhere what the user prefers. */
export const viewOf = (views: Readonly<Record<string, TabView>>, tab: string): TabView =>
  views[tab] ?? (isNarrow() ? "form" : useSettings.getState().view);

export function showView(tab: string, view: TabView): void {
  set((now) => ({ views: { ...now.views, [tab]: view } }));
}

export const showResults = (items: readonly ArtefactInfo[], index: number): void => set({ viewer: { items, index } });
