/** What a filter finds: step by step, and it says how far it came. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { ApiError, get, part, url } from "../api";
import { Empty } from "../components/Empty";
import { num, plural } from "../lib/format";
import { setQuery } from "../router";
import type { JobRow, SearchPage } from "../shapes";
import { zone } from "../state";
import { Broken, Button, Loading, Progress } from "../ui";
import { keyOf, onRemoved } from "../undo";
import type { Props } from "./index";
import { Table } from "./table";

const ENOUGH = 50;
const PATIENCE_MS = 15_000;

/** For how long what was found is shown again when somebody comes back from a job. */
const FRESH_MS = 120_000;

interface Seen {
  looked: number;
  total: number;
  cursor: string | null;
  begun: boolean;
}

interface Search {
  jobs: JobRow[];
  seen: Seen;
  going: boolean;
  error: ApiError | null;
  go: (on: boolean) => void;
  anew: () => void;
}

const NOTHING: Seen = { looked: 0, total: 0, cursor: null, begun: false };

/** The last search, so that coming back from a job finds the list as it was left. */
let before: { key: string; at: number; jobs: JobRow[]; seen: Seen } | null = null;

function without(jobs: JobRow[], gone: string): JobRow[] {
  return jobs.filter((job) => keyOf(job.queue, job.id) !== gone);
}

onRemoved((gone) => {
  if (before) before.jobs = without(before.jobs, gone);
});

function useSearch(queue: string, state: string, asked: Record<string, string>, key: string): Search {
  const known = useRef(before?.key === key && Date.now() - before.at < FRESH_MS ? before : null).current;
  const [jobs, setJobs] = useState<JobRow[]>(known?.jobs ?? []);
  const [seen, setSeen] = useState(known?.seen ?? NOTHING);
  const [going, setGoing] = useState(known === null);
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (!going) return undefined;
    const stop = new AbortController();
    setError(null);
    void look(stop.signal).then((problem) => {
      if (stop.signal.aborted) return;
      setError(problem);
      setGoing(false);
    });
    return () => stop.abort();
  }, [going, round]);
  useEffect(() => onRemoved((gone) => setJobs((some) => without(some, gone))), []);
  useEffect(() => {
    if (!going && !error) before = { key, at: Date.now(), jobs, seen };
  }, [going, error, jobs, seen]);

  /** Goes on by itself until there is a screenful; answers what went wrong. */
  async function look(signal: AbortSignal): Promise<ApiError | null> {
    const until = Date.now() + PATIENCE_MS;
    let cursor = seen.cursor;
    let hits = 0;
    try {
      do {
        const page: SearchPage = await get<SearchPage>(url(`/queues/${part(queue)}/search`, { ...asked, state: state === "any" ? null : state, cursor, count: ENOUGH }), signal);
        if (signal.aborted) return null;
        cursor = page.cursor;
        hits += page.jobs.length;
        setJobs((some) => [...some, ...page.jobs.filter((job) => !some.some((one) => one.id === job.id))]);
        setSeen((was) => ({ looked: was.looked + page.looked_at, total: page.total, cursor, begun: true }));
      } while (cursor !== null && hits < ENOUGH && Date.now() < until);
      return null;
    } catch (problem) {
      return problem instanceof ApiError ? problem : new ApiError(0, "broken", String(problem));
    }
  }

  const anew = () => {
    setJobs([]);
    setSeen(NOTHING);
    setRound(round + 1);
    setGoing(true);
  };
  return { jobs, seen, going, error, go: setGoing, anew };
}

export function Found(props: Props & { asked: Record<string, string>; words: string }): JSX.Element {
  const { queue, state, asked, words } = props;
  const search = useSearch(queue, state, asked, `${queue} ${state} ${words} ${asked["fingerprint"] ?? ""} ${zone.value}`);
  const { jobs, seen, going, error, anew } = search;
  return (
    <>
      {error ? <Broken error={error} retry={anew} /> : null}
      {jobs.length > 0 || !going ? (
        <Table {...props} jobs={jobs} start={0} total={null} filter={asked} words={words} stale={false} onPoint={() => undefined} onChanged={anew} empty={error ? null : <NoneFits state={state} seen={seen} />} />
      ) : (
        <Loading rows={8} />
      )}
      <HowFar search={search} />
    </>
  );
}

function NoneFits({ state, seen }: { state: string; seen: Seen }): JSX.Element {
  return (
    <Empty title="No job fits" action={<Button onClick={() => setQuery({ q: null, fingerprint: null })}>Clear the filter</Button>}>
      Looked at {num(seen.looked)} of {plural(seen.total, "job")}
      {state === "any" ? "" : ` that ${seen.total === 1 ? "is" : "are"} ${state.replace("-", " for ")}`}.
    </Empty>
  );
}

function HowFar({ search: { jobs, seen, going, go } }: { search: Search }): JSX.Element {
  return (
    <div class="pager" role="status">
      <span class="muted">
        {going && !seen.begun ? "Looking…" : `${plural(jobs.length, "job")} found, looked at ${num(seen.looked)} of ${num(Math.max(seen.total, seen.looked))}`}
      </span>
      {going ? (
        <>
          <span class="pager-progress">
            <Progress value={seen.total ? (seen.looked / seen.total) * 100 : 0} label="How far the search is" />
          </span>
          <Button kind="quiet" onClick={() => go(false)}>
            Stop
          </Button>
        </>
      ) : seen.cursor !== null ? (
        <Button onClick={() => go(true)}>Look further</Button>
      ) : null}
    </div>
  );
}
