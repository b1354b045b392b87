/** Jobs that were forgotten, here or in another window, leave every list. */

import { describe, expect, it } from "vitest";
import { applyNow, jobCame, jobsGone, onJobsGone, useQueue } from "../../src/api/queue";
import type { ArtefactInfo, Job } from "../../src/api/types";
import { useArtefacts, useRuns, watchRuns } from "../../src/panels/runs";

const job = (id: number) => ({ id, state: "completed", attempt: 1, artefacts: [] }) as unknown as Job;

describe("jobs that are forgotten", () => {
  it("leave the queue, the history and the results", () => {
    for (const id of [1, 2, 3]) jobCame(job(id));
    useRuns.setState({ items: [job(3), job(2), job(1)] });
    useArtefacts.setState({
      items: [
        { id: 9, job: 3 },
        { id: 8, job: 1 },
      ] as ArtefactInfo[],
    });
    const stop = watchRuns();
    jobsGone([1, 2]);
    applyNow();
    stop();
    expect([...useQueue.getState().jobs.keys()]).toEqual([3]);
    expect(useRuns.getState().items.map((run) => run.id)).toEqual([3]);
    expect(useArtefacts.getState().items.map((item) => item.id)).toEqual([9]);
  });

  it("are told until nobody listens any more", () => {
    const told: number[][] = [];
    const stop = onJobsGone((ids) => told.push([...ids]));
    jobsGone([4, 5]);
    stop();
    jobsGone([6]);
    expect(told).toEqual([[4, 5]]);
  });
});
