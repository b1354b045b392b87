/** Small recipes for tests: `draw` of "a:op(port=value) b:op(in<a.out)" lines. */

import type { InputPort, NodeType } from "../../src/api/types";
import { anyInput, type Known } from "../../src/model/ports";
import type { Recipe, RecipeNode } from "../../src/model/recipe";

/** `"b": "a.out -> in, c.out -> list[]; value=3"`: links and values of a node whose op is "test/<id>@1". */
export function recipe(nodes: Record<string, string>, rest: Partial<Recipe> = {}): Recipe {
  const made = Object.entries(nodes).map(([id, text]): [string, RecipeNode] => {
    let node: RecipeNode = { op: `test/${id}@1` };
    for (const part of text
      .split(/[,;]/)
      .map((p) => p.trim())
      .filter(Boolean)) {
      const link = /^(\S+) -> (\w+)(\[\])?$/.exec(part);
      const [, source = "", port = "", many] = link ?? [];
      if (link) {
        const before = node.links?.[port];
        node = { ...node, links: { ...node.links, [port]: many ? [...((before as string[]) ?? []), source] : source } };
      } else {
        const [key = "", value = ""] = part.split("=");
        node = { ...node, values: { ...node.values, [key]: JSON.parse(value) } };
      }
    }
    return [id, node];
  });
  return { format: "nodeflow/1", nodes: Object.fromEntries(made), ...rest };
}

export const input = (name: string, accepts: string[], more: Partial<InputPort> = {}): InputPort => ({
  ...anyInput(name),
  type: accepts[0] ?? "any",
  accepts: [...accepts, "any"],
  ...more,
});

export function nodeType(
  op: string,
  inputs: InputPort[],
  outputs: Record<string, string>,
  more: Partial<NodeType> = {},
): NodeType {
  return {
    op,
    name: op.split("@")[0] ?? op,
    version: 1,
    title: op,
    category: op.split("/")[0] ?? "",
    summary: "",
    description: "",
    pack: "test",
    inputs,
    outputs: Object.entries(outputs).map(([name, type]) => ({ name, type, doc: "" })),
    effects: false,
    deprecated: null,
    body: false,
    body_port: "",
    ...more,
  };
}

export const known = (...types: NodeType[]): Known => ({ nodeTypes: new Map(types.map((type) => [type.op, type])) });
