import type { JSX } from "preact";

import { url, useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { middle, num, plural, visible } from "../lib/format";
import { serverNow } from "../api";
import { now } from "../live";
import { route, setQuery, toJob, toQueue } from "../router";
import type { Overview, QueueRow, RunningJob, WorkerRow, Workers } from "../shapes";
import { Banner, Broken, Copy, Link, Loading, Page, Progress, Span } from "../ui";
import { QueueChoice } from "./choice";

/** Who is connected, and what each is at. */
export default function WorkersPage(): JSX.Element {
  const queue = route.value.query.get("queue");
  const { data, error, loading, refresh } = useApi<Workers>(url("/workers", { queue }), { live: queue ?? "*" });
  const { data: overview } = useApi<Overview>("/overview", { live: "*" });
  const workers = data?.workers ?? [];
  const rows = (overview?.queues ?? []).filter((row) => !queue || row.name === queue);
  const idle = data?.allowed ? rows.filter((row) => !workers.some((worker) => worker.queue === row.name)) : [];
  const busy = workers.filter((worker) => worker.running.length).length;
  return (
    <Page
      title="Workers"
      lead={workers.length ? `${plural(workers.length, "worker")} connected, ${num(busy)} with a job at hand as far as jobs say so.` : "Processes that take jobs and run them."}
      actions={<QueueChoice chosen={queue} onChoose={(name) => setQuery({ queue: name })} />}
    >
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && !data.allowed ? <Banner kind="info">Redis does not let us list its clients (CLIENT LIST is not allowed), so workers that run nothing don’t show up.</Banner> : null}
      <Waiting rows={idle.filter(({ counts }) => counts.waiting + counts.prioritized > 0)} />
      {data && data.allowed && workers.length === 0 ? (
        <Empty title={queue ? `No worker is connected to ${queue}` : "No worker is connected"} action={<Start queue={queue ?? rows[0]?.name ?? "email"} />}>
          Start one where your program is:
        </Empty>
      ) : null}
      {workers.length ? (
        <div class="sheet">
          <table class="table cards workers">
            <caption class="sr">Workers</caption>
            <thead>
              <tr>
                <th scope="col">Queue</th>
                <th scope="col">Worker</th>
                <th scope="col">Runs</th>
                <th scope="col">Connected for</th>
                <th scope="col">Client</th>
              </tr>
            </thead>
            <tbody>
              {workers.map((worker, index) => (
                <Row key={`${worker.queue} ${worker.address} ${index}`} worker={worker} />
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {data?.unassigned.length ? (
        <section class="section">
          <h2>Active, but nobody says who runs it</h2>
          <p class="muted">Workers without a name don’t write it into their jobs. {plural(data.unassigned.length, "job")}.</p>
          <ul class="card running-list">
            {data.unassigned.map((job) => (
              <li key={`${job.queue} ${job.id}`}>
                <Running job={job} named />
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      {workers.length > 0 && idle.length ? (
        <section class="section">
          <h2>Queues without a worker</h2>
          <ul class="without">
            {idle.map((row) => (
              <li key={row.name}>
                <Link to={toQueue(row.name)}>{row.name}</Link>
                {row.paused ? <span class="badge">paused</span> : null}
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </Page>
  );
}

function Waiting({ rows }: { rows: readonly QueueRow[] }): JSX.Element | null {
  if (!rows.length) return null;
  return (
    <Banner kind="warn">
      {rows.map((row) => (
        <div key={row.name} class="no-worker">
          <span>
            <Link to={toQueue(row.name, { state: "waiting" })}>{plural(row.counts.waiting + row.counts.prioritized, "job")}</Link> {row.counts.waiting + row.counts.prioritized === 1 ? "waits" : "wait"} in <b>{row.name}</b>, but no worker is connected.
          </span>
          <Start queue={row.name} />
        </div>
      ))}
    </Banner>
  );
}

/** The line that starts a worker. */
function Start({ queue }: { queue: string }): JSX.Element {
  const line = `oxcart worker app:worker  # Worker("${visible(queue)}", …)`;
  return (
    <span class="line">
      <code>{line}</code>
      <Copy text={line} label="Copy the line" />
    </span>
  );
}

function Row({ worker }: { worker: WorkerRow }): JSX.Element {
  return (
    <tr>
      <th scope="row">
        <Link to={toQueue(worker.queue)}>
          <Visible text={worker.queue} />
        </Link>
      </th>
      <td data-label="Worker">
        <div class="two">
          {worker.name === null ? <span class="muted">no name</span> : <span title={worker.name}><Visible text={middle(worker.name, 36)} /></span>}
          <span class="mono muted">{worker.address}</span>
        </div>
      </td>
      <td data-label="Runs" class="workers-runs">
        {worker.running.length ? (
          worker.running.map((job) => <Running key={job.id} job={job} />)
        ) : (
          <span class="muted">
            {worker.name === null ? "not known" : "nothing"}
          </span>
        )}
      </td>
      <td data-label="Connected for">
        <Span ms={worker.age} />
      </td>
      <td data-label="Client">{worker.library ? <Visible text={worker.library} /> : <span class="muted">–</span>}</td>
    </tr>
  );
}

function Running({ job, named = false }: { job: RunningJob; named?: boolean }): JSX.Element {
  void now.value;
  return (
    <div class="running" data-state="active">
      <Icon name="bolt" size={13} />
      <Link to={toJob(job.queue, job.id)} class="running-name">
        <Visible text={job.name} /> <span class="mono muted">{middle(visible(job.id), 14)}</span>
      </Link>
      {named ? <span class="muted">{job.queue}</span> : null}
      {typeof job.progress === "number" && job.progress > 0 ? (
        <span class="running-part">
          <Progress value={job.progress} label={`Progress of ${visible(job.id)}`} />
        </span>
      ) : null}
      <span class="muted running-time">{job.started === null ? "" : <Span ms={Math.max(0, serverNow() - job.started)} />}</span>
    </div>
  );
}
