/** The models that nodes can load, by folder. Read when the first list is shown, and again when one opens later. */

import { create } from "zustand";
import { get } from "../../api/http";
import type { ModelFileInfo } from "../../api/types";

export const useModels = create<{ byFolder: ReadonlyMap<string, readonly ModelFileInfo[]> }>(() => ({
  byFolder: new Map(),
}));

const FRESH_MS = 10_000;
let read = Number.NEGATIVE_INFINITY;

export async function loadModels(): Promise<void> {
  if (performance.now() - read < FRESH_MS) return;
  read = performance.now();
  try {
    const byFolder = new Map<string, ModelFileInfo[]>();
    for (const model of await get<ModelFileInfo[]>("/api/models")) {
      byFolder.set(model.folder, [...(byFolder.get(model.folder) ?? []), model]);
    }
    useModels.setState({ byFolder });
  } catch {
    read = Number.NEGATIVE_INFINITY; // the server is away: asked again when the next list opens
  }
}
