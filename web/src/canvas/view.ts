/** What all nodes of a view share: read once by the canvas, so that a thousand nodes do not each listen for it. */

import { createContext, useContext } from "react";

/** Below this zoom a node is its title on its colour, and all wires are one drawing. */
export const FAR = 0.4;

export interface ViewOf {
  readonly far: boolean;
  /** The definitions that lead to what is looked at, joined by "/"; "": the recipe itself. */
  readonly place: string;
  /** What the names of its nodes begin with in events: the nodes that lead to it. */
  readonly prefix: string;
}

export const ViewContext = createContext<ViewOf>({ far: false, place: "", prefix: "" });
export const useViewOf = (): ViewOf => useContext(ViewContext);
