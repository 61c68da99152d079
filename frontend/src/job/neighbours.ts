/** The jobs before and after one in the list it was opened from, and the way back to its place there. */

import { useEffect } from "preact/hooks";

import { part, url, useApi } from "../api";
import { busyKeys } from "../keys";
import { PAGE } from "../list/chosen";
import { go, route, toJob, toQueue, withQuery } from "../router";
import type { JobPage } from "../shapes";
import { lastList } from "../state";

export interface Near {
  before: string | null;
  after: string | null;
}

/** Walked through with k and j, too. */
export function useNeighbours(queue: string, id: string): Near {
  const { query } = route.value;
  const [state, order, tab] = [query.get("state"), query.get("order"), query.get("tab")];
  const at = query.has("at") ? Number(query.get("at")) : null;
  const ids = lastList.value?.queue === queue ? lastList.value.ids : [];
  const here = ids.indexOf(id);
  const edge = here <= 0 || here === ids.length - 1;
  const from = at === null ? 0 : Math.max(0, at - 1);
  const { data } = useApi<JobPage>(state && at !== null && edge ? url(`/queues/${part(queue)}/jobs`, { state, start: from || null, count: 3, order }) : null, { every: 0 });

  const to = (other: string | undefined, place: number | null) => (other === undefined || other === id ? null : toJob(queue, other, { state, at: place, order, tab }));
  const found = data?.jobs.map((job) => job.id) ?? [];
  const there = found.indexOf(id);
  const step = (way: -1 | 1) => {
    const place = at === null ? null : at + way;
    if (here >= 0 && ids[here + way] !== undefined) return to(ids[here + way], place);
    return there >= 0 ? to(found[there + way], place) : null;
  };
  const near = { before: step(-1), after: step(1) };
  useEffect(() => walk(near), [near.before, near.after]);
  return near;
}

function walk(near: Near): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (busyKeys(event)) return;
    const next = event.key === "j" ? near.after : event.key === "k" ? near.before : null;
    if (next) go(next, { replace: true });
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

/** The list that the job was opened from, at the page where the job is now. */
export function wayBack(queue: string): string {
  const { query } = route.value;
  const at = query.has("at") ? Number(query.get("at")) : null;
  const start = at !== null && at >= PAGE ? at - (at % PAGE) : null;
  if (lastList.value?.queue !== queue) return toQueue(queue, { state: query.get("state"), order: query.get("order"), start });
  const [path = "", words = ""] = lastList.value.back.split("?");
  const onto = new URLSearchParams(words);
  return at === null ? lastList.value.back : withQuery(path, { start }, onto);
}
