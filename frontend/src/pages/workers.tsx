/** Who is connected, and what each is at. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { url, useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { middle, num, plural, visible } from "../lib/format";
import { serverNow } from "../api";
import { now } from "../live";
import { route, setQuery, toJob, toQueue } from "../router";
import type { Overview, QueueRow, RunningJob, WorkerRow, Workers } from "../shapes";
import { may } from "../state";
import { Banner, Broken, Copy, IconButton, lazy, Link, Loading, nothing, Page, Progress, Span } from "../ui";
import { QueueChoice } from "./choice";

const CancelJob = lazy(() => import("../job/dialogs").then((module) => module.CancelJob), nothing);

interface Stopping {
  queue: string;
  id: string;
  worker: string | null;
}

/** A program that works: all its workers that are known to be one. */
interface Process {
  key: string;
  host: string;
  /** Its number on that machine, if it says so. */
  pid: string | null;
  names: string[];
  workers: WorkerRow[];
  running: RunningJob[];
}

/** Workers that name one process are one program, whatever queues they work on. Of those that name none, as Node's, it
 * is those of one name on one machine; one without a name stands alone.
 */
function processes(workers: readonly WorkerRow[]): Map<string, Process[]> {
  const found = new Map<string, Process>();
  workers.forEach((worker, index) => {
    const [, machine, pid] = /^(.*):(\d+)$/s.exec(worker.process ?? "") ?? [];
    const host = machine ?? hostOf(worker.address);
    const key = worker.process ?? (worker.name === null ? `${worker.address} ${worker.queue} ${index}` : `${host} ${worker.name}`);
    const one = found.get(key) ?? { key, host, pid: pid ?? null, names: [], workers: [], running: [] };
    if (worker.name !== null && !one.names.includes(worker.name)) one.names.push(worker.name);
    one.workers.push(worker);
    one.running.push(...worker.running);
    found.set(key, one);
  });
  const hosts = new Map<string, Process[]>();
  for (const one of found.values()) hosts.set(one.host, [...(hosts.get(one.host) ?? []), one]);
  return hosts;
}

function hostOf(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") || "?";
}

export default function WorkersPage(): JSX.Element {
  const queue = route.value.query.get("queue");
  const { data, error, loading, refresh } = useApi<Workers>(url("/workers", { queue }), { live: queue ?? "*" });
  const { data: overview } = useApi<Overview>("/overview", { live: "*" });
  const [stopping, setStopping] = useState<Stopping | null>(null);
  const workers = data?.workers ?? [];
  const rows = (overview?.queues ?? []).filter((row) => !queue || row.name === queue);
  const idle = data?.allowed ? rows.filter((row) => !workers.some((worker) => worker.queue === row.name)) : [];
  const hosts = processes(workers);
  const all = [...hosts.values()].flat();
  const running = all.reduce((sum, one) => sum + one.running.length, 0);
  const stop = may("cancel") ? setStopping : undefined;
  return (
    <Page
      title="Workers"
      lead={workers.length ? `${plural(all.length, "worker")}${hosts.size > 1 ? ` on ${num(hosts.size)} machines` : ""}${workers.length > all.length ? ` with ${num(workers.length)} connections` : ""}, ${running ? `${plural(running, "job")} at hand` : "no job at hand"}.` : "Programs that take jobs and run them."}
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
                <th scope="col">Worker</th>
                <th scope="col">Queues</th>
                <th scope="col">Runs</th>
                <th scope="col">Version</th>
                <th scope="col">Connected for</th>
                <th scope="col">Client</th>
              </tr>
            </thead>
            {[...hosts].map(([host, some]) => (
              <tbody key={host}>
                {hosts.size > 1 ? (
                  <tr class="workers-host">
                    <th scope="rowgroup" colSpan={6}>
                      {host} <span class="muted">{plural(some.length, "worker")}</span>
                    </th>
                  </tr>
                ) : null}
                {some.map((one) => (
                  <Row key={one.key} one={one} onStop={stop} />
                ))}
              </tbody>
            ))}
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
                <Running job={job} named onStop={stop} />
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
      {stopping ? <CancelJob job={stopping} onClose={() => setStopping(null)} /> : null}
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

function Row({ one, onStop }: { one: Process; onStop: Stop }): JSX.Element {
  const { workers, running } = one;
  const queues = [...new Set(workers.map((worker) => worker.queue))];
  const versions = [...new Set(workers.map((worker) => worker.version).filter((version) => version !== null))];
  const slots = workers.some((worker) => worker.slots !== null) ? workers.reduce((sum, worker) => sum + (worker.slots ?? 0), 0) : null;
  const paused = workers.filter((worker) => worker.paused);
  const libraries = [...new Set(workers.map((worker) => worker.library).filter((library) => library !== null))];
  return (
    <tr>
      <th scope="row">
        <div class="two">
          {one.names.length === 0 ? (
            <span class="muted">no name</span>
          ) : (
            <span title={one.names.join(", ")}>
              <Visible text={middle(one.names.join(", "), 36)} />
            </span>
          )}
          <span class="mono muted">{one.pid === null && workers.length === 1 ? workers[0]?.address : [one.host, one.pid === null ? null : `process ${one.pid}`, workers.length === 1 ? null : plural(workers.length, "connection")].filter(Boolean).join(", ")}</span>
        </div>
      </th>
      <td data-label="Queues">
        <span class="workers-queues">
          {queues.map((queue) => (
            <Link key={queue} to={toQueue(queue)}>
              <Visible text={queue} />
            </Link>
          ))}
          {paused.length ? <span class="badge" title="These workers take no more jobs until they are resumed; others go on.">{paused.length < workers.length ? `${num(paused.length)} paused` : "paused"}</span> : null}
        </span>
      </td>
      <td data-label="Runs" class="workers-runs">
        {running.map((job) => (
          <Running key={`${job.queue} ${job.id}`} job={job} worker={one.names[0] ?? null} named={queues.length > 1} onStop={onStop} />
        ))}
        {slots !== null ? (
          <span class="muted">{`${num(running.length)} of ${plural(slots, "slot")}`}</span>
        ) : running.length ? null : (
          <span class="muted">{one.names.length ? "nothing" : "not known"}</span>
        )}
      </td>
      <td data-label="Version">{versions.length ? <Visible text={versions.join(", ")} /> : <span class="muted">–</span>}</td>
      <td data-label="Connected for">
        <Span ms={Math.max(...workers.map((worker) => worker.age))} />
      </td>
      <td data-label="Client">{libraries.length ? <Visible text={libraries.join(", ")} /> : <span class="muted">–</span>}</td>
    </tr>
  );
}

type Stop = ((job: Stopping) => void) | undefined;

function Running({ job, worker = null, named = false, onStop }: { job: RunningJob; worker?: string | null; named?: boolean; onStop: Stop }): JSX.Element {
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
      {onStop ? <IconButton icon="stop" label={`Cancel job ${visible(job.id)}`} onClick={() => onStop({ queue: job.queue, id: job.id, worker })} /> : null}
    </div>
  );
}
