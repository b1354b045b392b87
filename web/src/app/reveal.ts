/** Going to a node, and to the widget of one of its inputs. */

import { useCatalogue } from "../api/catalogue";
import { tabOf } from "../commands/store";
import { run } from "../commands/table";
import { runSpot, type Spot } from "./place";
import type { Failure } from "./problems";
import { isNarrow, set, showTab, showView } from "./shell";

/** Show a place of a tab's recipe in the graph. The canvas does the rest by its command `view.reveal`. */
export function reveal(tab: string, spot: Spot): void {
  showTab(tab);
  showView(tab, "graph");
  if (isNarrow()) set({ dock: null });
  requestAnimationFrame(() => requestAnimationFrame(() => run("view.reveal", { tab, ...spot })));
}

/** The same for a node that failed in a run, also in a subgraph. */
export function revealFailure(tab: string, { node, message }: Failure): void {
  const recipe = tabOf(tab)?.recipe;
  if (recipe) reveal(tab, runSpot(recipe, useCatalogue.getState(), node, message));
}
