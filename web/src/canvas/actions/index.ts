/** The canvas's commands. Each is an edit of what the active tab looks at, or moves the view. */

import { register } from "../../commands/table";
import { ARRANGE } from "./arrange";
import { EDIT } from "./edit";
import { NODES } from "./nodes";
import { SUBGRAPHS } from "./subgraphs";
import { VIEW } from "./view";

export const registerCanvasCommands = (): (() => void) =>
  register(...EDIT, ...NODES, ...SUBGRAPHS, ...ARRANGE, ...VIEW);
