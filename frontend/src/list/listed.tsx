/** A page of the jobs in a state. */

import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { part, url, useApi } from "../api";
import { Empty } from "../components/Empty";
import { route, setQuery } from "../router";
import type { JobPage } from "../shapes";
import { stateOf } from "../states";
import { Broken, Button, Loading } from "../ui";
import { onRemoved } from "../undo";
import { PAGE } from "./chosen";
import type { Props } from "./index";
import { orderOf } from "./order";
import { Pager } from "./pager";
import { Table } from "./table";

/** For how long a list moves freely after somebody has changed it. */
const FREE_MS = 3_000;

export function Listed(props: Props): JSX.Element {
  const { queue, state } = props;
  const start = Math.max(0, Math.floor(Number(route.value.query.get("start")) || 0));
  const order = orderOf(state);
  const path = url(`/queues/${part(queue)}/jobs`, { state, start: start || null, count: PAGE, order });
  const { data, error, loading, refresh } = useApi<JobPage>(path, { live: queue });
  const { shown, moved, point, free } = useStill(data, path);

  if (!shown) return error ? <Broken error={error} retry={refresh} /> : <Loading rows={10} />;
  if (shown.jobs.length === 0 && start > 0 && shown.total > 0 && !loading) {
    return <Empty title="This page is empty now" action={<Button onClick={() => setQuery({ start: null })}>To the first page</Button>} />;
  }
  return (
    <>
      <Table
        {...props}
        jobs={shown.jobs}
        start={shown.start}
        total={shown.total}
        filter={{}}
        words=""
        stale={data === undefined}
        onPoint={point}
        onChanged={free}
        empty={<NoJobs {...props} />}
      />
      <Pager start={data ? shown.start : start} shown={shown.jobs.length} total={shown.total} moved={moved} onMove={() => point(false)} />
    </>
  );
}

interface Still {
  shown: JobPage | undefined;
  /** Whether there is something newer than what is shown. */
  moved: boolean;
  point: (inside: boolean) => void;
  free: () => void;
}

/** While somebody points at a row, it must not be another one when the button goes down; unless they have just changed
 * the list themselves. And while another page comes, the one before stays. */
function useStill(data: JobPage | undefined, path: string): Still {
  const [before, setBefore] = useState<JobPage | undefined>(undefined);
  useEffect(() => {
    if (data) setBefore(data);
  }, [data]);
  const page = data ?? before;
  const [still, setStill] = useState<JobPage | null>(null);
  const until = useRef(0);
  useEffect(() => setStill(null), [path]);
  const free = () => {
    until.current = Date.now() + FREE_MS;
    setStill(null);
  };
  useEffect(() => onRemoved(free), []);
  return {
    shown: still ?? page,
    moved: still !== null && page !== undefined && still !== page && idsOf(still) !== idsOf(page),
    point: (inside) => setStill(inside && Date.now() > until.current ? (page ?? null) : null),
    free,
  };
}

function idsOf(page: JobPage): string {
  return page.jobs.map((job) => job.id).join("\n");
}

function NoJobs({ queue, state, paused, workers }: Props): JSX.Element {
  const known = stateOf(state);
  return (
    <Empty title={`No ${known ? known.word.toLowerCase() : state} jobs`}>
      {known?.empty} {paused && state === "active" ? `${queue} is paused, so nothing starts.` : null}
      {!paused && workers === 0 && state === "active" ? "No worker is connected." : null}
    </Empty>
  );
}
