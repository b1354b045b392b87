/** The browser tab's title: how far the run is, what is open, whether it is saved. */

import { useLive } from "../api/live";
import { perCent, progressOf } from "../api/progress";
import { running, useQueue } from "../api/queue";
import type { Job } from "../api/types";
import { isDirty, type Tab, useTabs } from "../commands/store";

export interface Facts {
  tab: Pick<Tab, "title"> | undefined;
  dirty: boolean;
  /** 0..1; null: nothing runs. */
  progress: number | null;
}

export function titleText({ tab, dirty, progress }: Facts): string {
  const share = progress === null ? "" : `${perCent(progress)}% `;
  return tab === undefined ? `${share}nodeflow` : `${share}${dirty ? "• " : ""}${tab.title} – nodeflow`;
}

/** The job whose progress is shown: the one that the active tab follows if it runs, else the first that runs. */
export function shownJob(jobs: ReadonlyMap<number, Job>, followed: number | undefined): Job | undefined {
  const all = running(jobs);
  return all.find((job) => job.id === followed) ?? all[0];
}

export function watchTitle(): () => void {
  const show = () => {
    const { tabs, active } = useTabs.getState();
    const live = useLive.getState();
    const tab = tabs.find((one) => one.id === active);
    const job = shownJob(useQueue.getState().jobs, live.followed[active]);
    const text = titleText({
      tab,
      dirty: tab !== undefined && isDirty(tab),
      progress: job === undefined ? null : progressOf(job, live.nodes(job.id)),
    });
    if (document.title !== text) document.title = text;
  };
  show();
  const stops = [useTabs.subscribe(show), useLive.subscribe(show), useQueue.subscribe(show)];
  return () => {
    for (const stop of stops) stop();
  };
}
