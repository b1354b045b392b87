import { expect, test } from "vitest";
import { progressOf } from "../../src/api/progress";
import { applyNow, jobCame, onJob, queueCame, running, snapshotCame, useQueue, waiting } from "../../src/api/queue";
import type { ArtefactInfo, Job } from "../../src/api/types";
import { seedsOf } from "../../src/app/runner";
import { inOrder } from "../../src/panels/form/FormResults";
import { itemsOf } from "../../src/panels/form/items";
import { declaredValues } from "../../src/panels/inputs";
import { differences } from "../../src/panels/look/differences";

const job = (id: number, change: Partial<Job> = {}): Job => ({
  id,
  state: "queued",
  title: "",
  priority: 0,
  position: id,
  attempt: 0,
  sweep: "",
  inputs: {},
  digest: "",
  created: 0,
  started: null,
  finished: null,
  steps: 0,
  finished_steps: 0,
  cached_steps: 0,
  error: "",
  run: "",
  artefacts: [],
  ...change,
});

const known = () => useQueue.getState().jobs;

test("waiting jobs stand in the order in which they run", () => {
  const jobs = [job(1), job(2, { priority: 5 }), job(3, { position: 0.5 }), job(4, { state: "running" })];
  const all = new Map(jobs.map((one) => [one.id, one]));
  expect(waiting(all).map((one) => one.id)).toEqual([2, 3, 1]);
  expect(running(all).map((one) => one.id)).toEqual([4]);
});

test("an answer that is older than an event changes nothing", () => {
  jobCame(job(10, { state: "completed", attempt: 1 }));
  jobCame(job(10, { state: "running", attempt: 1 }), "answer");
  applyNow();
  expect(known().get(10)?.state).toBe("completed");
  jobCame(job(10, { state: "queued", attempt: 2 }), "answer");
  applyNow();
  expect(known().get(10)?.state).toBe("queued");
});

test("a snapshot takes away what neither waits nor runs any more, and keeps what is over", () => {
  jobCame(job(20, { state: "queued" }));
  jobCame(job(21, { state: "completed" }));
  snapshotCame({ paused: true, queued: 7, running: [job(22, { state: "running" })] }, [job(23)]);
  applyNow();
  expect([20, 21, 22, 23].map((id) => known().get(id)?.state)).toEqual([undefined, "completed", "running", "queued"]);
  expect(useQueue.getState()).toMatchObject({ paused: true, queued: 7 });
  queueCame(false, 8);
  applyNow();
  expect(useQueue.getState()).toMatchObject({ paused: false, queued: 8 });
});

test("listeners hear what a job was before", () => {
  const heard: (string | undefined)[] = [];
  const stop = onJob((now, before) => heard.push(before?.state, now.state));
  jobCame(job(30));
  jobCame(job(30, { state: "running" }));
  stop();
  jobCame(job(30, { state: "completed" }));
  expect(heard).toEqual([undefined, "queued", "queued", "running"]);
});

test("progress counts finished steps and shares of running ones, and never passes the end", () => {
  const live = (state: "running" | "done", done: number, total: number) => ({
    state,
    done,
    total,
    text: "",
    seconds: 0,
    message: "",
    warnings: [],
    preview: null,
    written: "",
    seq: 0,
  });
  const nodes = new Map([
    ["a", live("done", 0, 0)],
    ["b", live("running", 5, 20)],
  ]);
  expect(progressOf(job(1, { state: "running", steps: 4, finished_steps: 1 }), nodes)).toBe(1.25 / 4);
  expect(progressOf(job(1, { state: "running", steps: 1, finished_steps: 1 }), nodes)).toBe(1);
  expect(progressOf(job(1, { state: "running", steps: 4 }), nodes)).toBe(1.25 / 4);
  expect(progressOf(job(1, { state: "running" }), nodes)).toBe(0);
  expect(progressOf(job(1, { state: "completed" }), new Map())).toBe(1);
});

test("the parameters of a run are what its recipe writes at declared inputs", () => {
  const recipe = {
    inputs: { prompt: { to: ["p.text"] }, seed: { to: ["s.seed", "t.seed"] }, left: { to: ["s.steps"] } },
    nodes: { p: { op: "x@1", values: { text: "star" } }, s: { op: "y@1" }, t: { op: "y@1", values: { seed: 3 } } },
  };
  expect(declaredValues(recipe)).toEqual({ prompt: "star", seed: 3 });
});

test("differences between two runs", () => {
  expect(differences({ a: 1, b: [1, 2], c: "x" }, { a: 1, b: [1, 3], d: 2 })).toEqual([
    { name: "b", a: [1, 2], b: [1, 3] },
    { name: "c", a: "x", b: undefined },
    { name: "d", a: undefined, b: 2 },
  ]);
});

test("results stand in the order of the declared outputs", () => {
  const item = (id: number, output: string, index = 0) => ({ id, output, index }) as ArtefactInfo;
  const found = inOrder([item(1, ""), item(2, "grid"), item(3, "image", 1), item(4, "image")], ["image", "grid"]);
  expect(found.map((one) => one.id)).toEqual([4, 3, 2, 1]);
});

test("lists are typed a line each, and numbers stay numbers", () => {
  expect(itemsOf("a\nb", ["x"])).toEqual(["a", "b"]);
  expect(itemsOf("1\n 2 \n\n18446744073709551615", [0])).toEqual([1, 2, 18446744073709551615n]);
  expect(itemsOf("1\nx", [0])).toBeNull();
  expect(itemsOf("0.5", [0.1])).toEqual([0.5]);
});

test("the seeds of a run are read from what the recipe writes at seed ports", () => {
  const port = (name: string, widget: string) => ({ name, widget });
  const types = new Map([["a@1", { inputs: [port("seed", "seed"), port("steps", "")] }]]) as never;
  const nodes = {
    one: { op: "a@1", values: { seed: 18446744073709551615n, steps: 3 } },
    two: { op: "a@1", values: { seed: "7" } },
    three: { op: "a@1" },
    other: { op: "b@1", values: { seed: 5 } },
  };
  expect(seedsOf({ nodes }, types)).toEqual({ "one.seed": "18446744073709551615", "two.seed": "7" });
  const inner = { nodes: { one: nodes.two }, definitions: { deep: { nodes: { two: nodes.two } } } };
  expect(seedsOf({ nodes: {}, definitions: { inner } }, types)).toEqual({
    "inner/one.seed": "7",
    "inner/deep/two.seed": "7",
  });
});
