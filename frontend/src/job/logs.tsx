/** What its processor wrote, as it is written. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { part, url, useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { plural } from "../lib/format";
import type { JobDetail, Logs } from "../shapes";
import { Broken, Button, Loading, useFollow } from "../ui";

const LINES = 200;
const MOST_LINES = 5_000;

export function LogLines({ job }: { job: JobDetail }): JSX.Element {
  const [count, setCount] = useState(LINES);
  const { data, error, refresh } = useApi<Logs>(url(`/queues/${part(job.queue)}/job/logs`, { id: job.id, start: -count, count }), { live: job.queue, every: job.state === "active" ? 3_000 : 30_000 });
  const box = useFollow(data?.total ?? 0);
  if (!data) return error ? <Broken error={error} retry={refresh} /> : <Loading rows={4} />;
  if (data.total === 0) return <Empty title="No logs">Lines that its processor writes with job.log() come here, as they are written.</Empty>;
  return (
    <div class="logs" ref={box} tabIndex={0} role="log" aria-label="Logs">
      {data.start > 0 && count >= MOST_LINES ? (
        <p class="muted">{plural(data.start, "earlier line")}, which the API has: see “As API calls…”.</p>
      ) : data.start > 0 ? (
        <Button kind="quiet" icon="up" onClick={() => setCount(Math.min(count * 4, MOST_LINES))}>
          {plural(data.start, "earlier line")}
        </Button>
      ) : null}
      <ol class="logs-lines">
        {data.lines.map((line, place) => (
          <li key={data.start + place} class="logs-line">
            <span class="logs-n" aria-hidden="true">
              {data.start + place + 1}
            </span>
            <span class="logs-text">
              <Visible text={line} lines />
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}
