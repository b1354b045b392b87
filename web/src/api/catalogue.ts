/** The installed ops and types, read once and read again when the server restarts. */

import { create } from "zustand";
import { inWords, parsed, send } from "./http";
import type { NodeType, NodeTypes, TypeInfo } from "./types";

export interface Catalogue {
  nodeTypes: ReadonlyMap<string, NodeType>;
  types: ReadonlyMap<string, TypeInfo>;
  /** Packs that could not be loaded, with the reason. */
  failed: Readonly<Record<string, string>>;
  state: "loading" | "ready" | "failed";
  error: string;
}

export const useCatalogue = create<Catalogue>(() => ({
  nodeTypes: new Map(),
  types: new Map(),
  failed: {},
  state: "loading",
  error: "",
}));

let etag = "";

/** What `useCatalogue` holds, made of the server's answer. */
export function catalogueOf(answer: NodeTypes): Omit<Catalogue, "state" | "error"> {
  return {
    nodeTypes: new Map(answer.node_types.map((type) => [type.op, type])),
    types: new Map(answer.types.map((type) => [type.name, type])),
    failed: answer.failed,
  };
}

/** Read the catalogue; costs next to nothing if it has not changed. */
export async function loadCatalogue(): Promise<void> {
  try {
    const response = await send("GET", "/api/node-types", etag ? { headers: { "If-None-Match": etag } } : {});
    if (response.status === 304) return;
    etag = response.headers.get("etag") ?? "";
    const answer = parsed<NodeTypes>(await response.text());
    useCatalogue.setState({ ...catalogueOf(answer), state: "ready", error: "" });
  } catch (error) {
    if (useCatalogue.getState().state !== "ready") useCatalogue.setState({ state: "failed", error: inWords(error) });
  }
}
