/** What the canvas shows besides the document: open palettes and menus, the knife. View state, never in history. */

import { create } from "zustand";
import type { Origin } from "./connecting";

export interface PaletteRequest {
  /** Where the node lands, in the recipe's coordinates. */
  readonly at: readonly [number, number];
  /** Where the palette opens, in pixels of the window. */
  readonly screen: readonly [number, number];
  /** A wire that waits for it: only nodes with a fitting port are listed. */
  readonly origin?: Origin;
}

export interface MenuRequest {
  readonly screen: readonly [number, number];
  readonly at: readonly [number, number];
  readonly kind: "pane" | "node" | "port" | "wire" | "group" | "note" | "interface";
  /** The id of what it is about, as the canvas names it. */
  readonly id: string;
  readonly port?: { readonly side: "in" | "out"; readonly name: string };
}

interface Ui {
  readonly palette: PaletteRequest | null;
  readonly menu: MenuRequest | null;
  readonly commands: boolean;
  readonly keys: boolean;
  /** The next drag on the pane cuts wires. */
  readonly knife: boolean;
  /** What is being renamed. */
  readonly renaming: string;
  /** The node that is being wired without a pointer. */
  readonly connecting: string;
  /** A wire that the dragged node would be put into. */
  readonly into: string;
}

export const useUi = create<Ui>(() => ({
  palette: null,
  menu: null,
  commands: false,
  keys: false,
  knife: false,
  renaming: "",
  connecting: "",
  into: "",
}));

export const setUi = useUi.setState;

/** What commands may ask of the canvas that is shown. */
export interface View {
  readonly tab: string;
  fit(selection: boolean): void;
  zoom(by: number): void;
  /** The pointer, or the middle of what is shown, in the recipe's coordinates and in pixels of the window. */
  spot(): { at: readonly [number, number]; screen: readonly [number, number] };
  focus(): void;
}

let view: View | null = null;
export const currentView = (): View | null => view;
export function setView(next: View | null): void {
  view = next;
}
