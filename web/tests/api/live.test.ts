import { beforeEach, expect, test, vi } from "vitest";
import {
  applyNow,
  countAnew,
  detailCame,
  follow,
  jobRemoved,
  nodeChanged,
  previewCame,
  textPiece,
  useLive,
} from "../../src/api/live";
import type { NodeStatus } from "../../src/api/types";

const status = (change: Partial<NodeStatus> = {}): NodeStatus => ({
  state: "running",
  done: 0,
  total: 0,
  text: "",
  seconds: 0,
  message: "",
  warnings: [],
  ...change,
});

let made = 0;
const revoked: string[] = [];
beforeEach(() => {
  for (const job of [1, 2, 3]) jobRemoved(job);
  applyNow();
  made = 0;
  revoked.length = 0;
  vi.stubGlobal("URL", {
    createObjectURL: () => `blob:${++made}`,
    revokeObjectURL: (url: string) => revoked.push(url),
  });
});

test("many events of one node are one change, and the last value wins", () => {
  const seen: number[] = [];
  const stop = useLive.subscribe((live) => seen.push(live.node(1, "sample")?.done ?? -1));
  for (let done = 1; done <= 20; done++) nodeChanged(1, "sample", status({ done, total: 20 }), done);
  expect(seen).toEqual([]);
  applyNow();
  expect(seen).toEqual([20]);
  stop();
});

test("an event of one node leaves the entries of the others as they are", () => {
  nodeChanged(1, "a", status(), 1);
  nodeChanged(1, "b", status(), 2);
  applyNow();
  const b = useLive.getState().node(1, "b");
  nodeChanged(1, "a", status({ state: "done" }), 3);
  applyNow();
  expect(useLive.getState().node(1, "b")).toBe(b);
  expect(useLive.getState().node(1, "a")?.state).toBe("done");
});

test("a preview is revoked when the next comes, and with its job", () => {
  const image = new Blob(["x"]);
  previewCame({ job: 1, node: "a", path: "a", image });
  previewCame({ job: 1, node: "a", path: "a", image });
  applyNow();
  expect([made, revoked]).toEqual([1, []]);
  previewCame({ job: 1, node: "a", path: "a", image });
  applyNow();
  expect(revoked).toEqual(["blob:1"]);
  jobRemoved(1);
  expect(revoked).toEqual(["blob:1", "blob:2"]);
});

test("an answer never undoes what a later event has said", () => {
  nodeChanged(2, "a", status({ state: "done" }), 9);
  detailCame({ job: { id: 2 }, nodes: { a: status(), b: status() }, seq: 5 });
  applyNow();
  expect(useLive.getState().node(2, "a")?.state).toBe("done");
  expect(useLive.getState().node(2, "b")?.state).toBe("running");
});

test("a new server counts from the beginning", () => {
  nodeChanged(3, "a", status(), 900);
  applyNow();
  countAnew();
  detailCame({ job: { id: 3 }, nodes: { a: status({ state: "failed" }) }, seq: 2 });
  applyNow();
  expect(useLive.getState().node(3, "a")?.state).toBe("failed");
});

test("pieces of text are put together", () => {
  textPiece(1, "write", "a red ");
  textPiece(1, "write", "star");
  applyNow();
  expect(useLive.getState().node(1, "write")?.written).toBe("a red star");
});

test("a tab follows one job", () => {
  follow("tab", 4);
  follow("tab", 5);
  expect(useLive.getState().followed).toEqual({ tab: 5 });
  follow("tab", undefined);
  expect(useLive.getState().followed).toEqual({});
});

test("a preview of a node in a subgraph is shown by that node and by the subgraph", () => {
  previewCame({ job: 1, node: "sub", path: "sub/sample", image: new Blob(["x"]) });
  applyNow();
  const of = (node: string) => useLive.getState().node(1, node)?.preview;
  expect(of("sub")).toBeTruthy();
  expect(of("sub/sample")).toBeTruthy();
  expect(of("sample")).toBeUndefined();
});
