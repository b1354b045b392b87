import { beforeEach, describe, expect, it } from "vitest";
import { byNode, resultsCame, resultsGone, useResults } from "../../src/api/results";
import type { ArtefactInfo, Job } from "../../src/api/types";

let number = 0;
const made = (job: number, node: string): ArtefactInfo => ({
  id: ++number,
  job,
  output: node,
  node,
  index: 0,
  name: `${node}.png`,
  digest: "0".repeat(64),
  media_type: "image/png",
  bytes: 1,
  width: 8,
  height: 8,
  created: 0,
});
const job = (id: number, state: Job["state"], nodes: string[]): Job =>
  ({ id, state, artefacts: nodes.map((node) => made(id, node)) }) as unknown as Job;
const shown = (node: string) =>
  useResults
    .getState()
    .tabs.t?.get(node)
    ?.map((item) => item.job);

describe("results by node", () => {
  beforeEach(() => useResults.setState({ tabs: {} }));

  it("belong to the node that made them and to the subgraphs around it", () => {
    const found = byNode([made(1, "sub/deep/save"), made(1, "sub/look"), made(1, "")]);
    expect([...found].map(([node, items]) => [node, items.length])).toEqual([
      ["sub", 2],
      ["sub/deep", 1],
      ["sub/deep/save", 1],
      ["sub/look", 1],
    ]);
  });

  it("stay while the next run goes on, and give way to what it made", () => {
    resultsCame("t", job(1, "completed", ["a", "b"]));
    resultsCame("t", job(2, "running", []));
    expect(shown("a")).toEqual([1]);
    resultsCame("t", job(2, "completed", ["a"]));
    expect(shown("a")).toEqual([2]);
    expect(shown("b")).toBeUndefined();
  });

  it("of a run that failed take the place of those of the same node only", () => {
    resultsCame("t", job(1, "completed", ["a", "b"]));
    resultsCame("t", job(2, "failed", ["b"]));
    expect([shown("a"), shown("b")]).toEqual([[1], [2]]);
  });

  it("are the same objects until a run ends: no node is drawn again by progress", () => {
    const first = job(1, "completed", ["a"]);
    resultsCame("t", first);
    const before = useResults.getState();
    resultsCame("t", { ...first, artefacts: [...first.artefacts] });
    resultsCame("t", job(2, "running", []));
    expect(useResults.getState()).toBe(before);
  });

  it("go when their job is removed from the history", () => {
    resultsCame("t", job(1, "completed", ["a"]));
    resultsGone(2);
    expect(shown("a")).toEqual([1]);
    resultsGone(1);
    expect(shown("a")).toBeUndefined();
  });
});
