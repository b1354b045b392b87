/** Going to a node, and to the widget of one of its inputs. */

import { run } from "../commands/table";
import type { Spot } from "./place";
import { isNarrow, set, showTab, showView } from "./shell";

/** Show a place of a tab's recipe in the graph. The canvas does the rest by its command `view.reveal`. */
export function reveal(tab: string, spot: Spot): void {
  showTab(tab);
  showView(tab, "graph");
  if (isNarrow()) set({ dock: null });
  requestAnimationFrame(() => requestAnimationFrame(() => run("view.reveal", { tab, ...spot })));
}
