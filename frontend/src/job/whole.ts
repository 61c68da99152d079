/** All that a job holds: what is hidden or cut in its page is asked for when somebody needs it. */

import { useEffect, useState } from "preact/hooks";

import { get, part, post, url } from "../api";
import type { JobDetail, Revealed } from "../shapes";
import { may } from "../state";
import { perform } from "../ui";

export interface Whole {
  data: unknown;
  options: unknown;
  /** Whether there is something in it that the page hides. */
  secret: boolean;
}

export interface Reveal {
  /** What is shown in place of what is hidden; null until somebody asks. */
  shown: Revealed | null;
  busy: boolean;
  show: () => Promise<void>;
  hide: () => void;
}

function ask(job: JobDetail, whole: boolean): Promise<Revealed | null> {
  const asked = () => post<Revealed>(`/queues/${part(job.queue)}/job/reveal`, { id: job.id, ...(whole ? { whole } : {}) });
  return perform(asked, { done: () => "", refresh: false });
}

/** What is hidden, once it was asked for; forgotten with the job. */
export function useReveal(job: JobDetail | undefined): Reveal {
  const [shown, setShown] = useState<Revealed | null>(null);
  const [busy, setBusy] = useState(false);
  const key = job ? `${job.queue}/${job.id}` : "";
  useEffect(() => setShown(null), [key]);
  const show = async () => {
    if (!job) return;
    setBusy(true);
    setShown(await ask(job, false));
    setBusy(false);
  };
  return { shown, busy, show, hide: () => setShown(null) };
}

/** Whether this user may have the whole of it. */
export function mayHaveWhole(job: JobDetail): boolean {
  return may("view_data") && !job.damaged && (!job.masked || may("reveal"));
}

/** The whole of it, to be edited or added again; null if it can't be had. */
export async function wholeOf(job: JobDetail): Promise<Whole | null> {
  if (job.masked) {
    const revealed = await ask(job, true);
    return revealed && { data: revealed.data, options: revealed.options, secret: true };
  }
  const all = job.data_cut ? await perform(() => get<JobDetail>(url(`/queues/${part(job.queue)}/job`, { id: job.id, whole: 1 })), { done: () => "", refresh: false }) : job;
  return all && { data: all.data, options: all.options, secret: false };
}
