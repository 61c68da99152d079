/** What BullMQ's counters say, minute by minute: where no worker records more. */

import type { JSX } from "preact";

import { part, url, useApi } from "../api";
import { Chart } from "../components/Chart";
import { Empty } from "../components/Empty";
import { Sparkline } from "../components/Sparkline";
import { num, percent } from "../lib/format";
import { span } from "../lib/time";
import { route, setQuery } from "../router";
import type { MinuteCounts, Overview, QueueDetail, QueueRow } from "../shapes";
import { zone } from "../state";
import { Broken, Link, Loading } from "../ui";
import { Tile } from "./redis";

const RANGES: readonly { minutes: number; text: string; words: string; step: number }[] = [
  { minutes: 60, text: "1 h", words: "last hour", step: 1 },
  { minutes: 360, text: "6 h", words: "last 6 hours", step: 5 },
  { minutes: 1440, text: "24 h", words: "last day", step: 15 },
  { minutes: 10080, text: "7 d", words: "last 7 days", step: 120 },
];

const MINUTE = 60_000;

export function Minutes({ queue }: { queue: string | null }): JSX.Element {
  const range = RANGES.find((one) => String(one.minutes) === route.value.query.get("minutes")) ?? RANGES[0];
  return queue && range ? <OfQueue key={queue} queue={queue} range={range} /> : <OfAll />;
}

function Choice({ range }: { range: (typeof RANGES)[number] }): JSX.Element {
  return (
    <div class="switch" role="group" aria-label="Time">
      {RANGES.map((one) => (
        <button key={one.minutes} type="button" aria-pressed={one === range} title={`The ${one.words}`} onClick={() => setQuery({ minutes: one.minutes })}>
          {one.text}
        </button>
      ))}
    </div>
  );
}

function OfQueue({ queue, range }: { queue: string; range: (typeof RANGES)[number] }): JSX.Element {
  const { data, error, loading, refresh } = useApi<MinuteCounts>(url(`/queues/${part(queue)}/metrics`, { minutes: range.minutes }), { every: 15_000 });
  const { data: detail } = useApi<QueueDetail>(`/queues/${part(queue)}`, { every: 15_000 });
  if (loading) return <Loading />;
  if (!data) return error ? <Broken error={error} retry={refresh} /> : <Loading />;
  if (!data.counted) return <NotCounted />;
  const step = range.step * MINUTE;
  const end = Math.floor(data.now / MINUTE) * MINUTE;
  return (
    <>
      <Numbers completed={data.completed} failed={data.failed} words={range.words} detail={detail} />
      <section class="card chart-card" aria-label="Throughput">
        <div class="card-head">
          <h2>
            Jobs per {range.step === 1 ? "minute" : span(step)}, <span class="muted">the {range.words}</span>
          </h2>
          <Legend />
          <Choice range={range} />
        </div>
        <Chart completed={grouped(data.completed, range.step)} failed={grouped(data.failed, range.step)} end={end} step={step} unit={range.step === 1 ? "minute" : `${span(step)}`} zone={zone.value} />
      </section>
      <p class="muted metrics-note">
        In all: {num(data.completed_total)} done, {num(data.failed_total)} failed since the workers began to count.
      </p>
    </>
  );
}

function OfAll(): JSX.Element {
  const { data, error, loading, refresh } = useApi<Overview>("/overview", { every: 10_000 });
  if (loading) return <Loading />;
  if (!data) return error ? <Broken error={error} retry={refresh} /> : <Loading />;
  const counted = data.queues.filter((row) => row.done_per_minute.length);
  if (!counted.length) return <NotCounted />;
  const [completed, failed] = [added(counted, "done_per_minute"), added(counted, "failed_per_minute")];
  const most = Math.max(1, ...counted.map((row) => sum(row.done_per_minute) + sum(row.failed_per_minute)));
  return (
    <>
      <Numbers completed={completed} failed={failed} words="last hour" />
      <section class="card chart-card" aria-label="Throughput">
        <div class="card-head">
          <h2>
            Jobs per minute, <span class="muted">all queues, the last hour</span>
          </h2>
          <Legend />
        </div>
        <Chart completed={completed} failed={failed} end={Math.floor(data.now / MINUTE) * MINUTE} step={MINUTE} unit="minute" zone={zone.value} />
      </section>
      <div class="sheet section">
        <table class="table cards">
          <caption class="sr">By queue, the last hour</caption>
          <thead>
            <tr>
              <th scope="col">Queue</th>
              <th scope="col">Share</th>
              <th scope="col" class="n">
                Done
              </th>
              <th scope="col" class="n">
                Failed
              </th>
              <th scope="col" class="n">
                Failing
              </th>
              <th scope="col">Last hour</th>
            </tr>
          </thead>
          <tbody>
            {counted
              .toSorted((a, b) => sum(b.done_per_minute) - sum(a.done_per_minute))
              .map((row) => {
                const [done, bad] = [sum(row.done_per_minute), sum(row.failed_per_minute)];
                return (
                  <tr key={row.name}>
                    <th scope="row">
                      <Link to={`/metrics?queue=${part(row.name)}`}>{row.name}</Link>
                    </th>
                    <td data-label="Share" class="metrics-share">
                      <Share done={done} failed={bad} most={most} />
                    </td>
                    <td data-label="Done" class="n">
                      {num(done)}
                    </td>
                    <td data-label="Failed" class="n" data-state={bad ? "failed" : undefined}>
                      <span class={bad ? "s-text" : "muted"}>{num(bad)}</span>
                    </td>
                    <td data-label="Failing" class="n">
                      {percent(bad, done + bad)}
                    </td>
                    <td data-label="Last hour">
                      <Sparkline done={row.done_per_minute} failed={row.failed_per_minute} width={140} />
                    </td>
                  </tr>
                );
              })}
          </tbody>
        </table>
      </div>
      {counted.length < data.queues.length ? (
        <p class="muted metrics-note">
          Nobody counts in {data.queues.filter((row) => !row.done_per_minute.length).map((row) => row.name).slice(0, 8).join(", ")}: <code>Worker(metrics=…)</code> turns it on.
        </p>
      ) : null}
    </>
  );
}

function Share({ done, failed, most }: { done: number; failed: number; most: number }): JSX.Element {
  const part = (value: number) => (value / most) * 100;
  return (
    <svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect class="share-done" width={part(done)} height={8} />
      <rect class="share-failed" x={part(done)} width={part(failed)} height={8} />
    </svg>
  );
}

function Numbers({ completed, failed, words, detail }: { completed: readonly number[]; failed: readonly number[]; words: string; detail?: QueueDetail | undefined }): JSX.Element {
  const [done, bad] = [sum(completed), sum(failed)];
  return (
    <div class="tiles metrics-tiles">
      <Tile label="Done" value={num(done)} note={`the ${words}`} />
      <Tile label="Failed" value={num(bad)} state={bad ? "failed" : undefined} note={`${percent(bad, done + bad)} of all`} />
      <Tile label="A minute" value={num(Math.round(((done + bad) / Math.max(1, completed.length)) * 10) / 10)} note={`at most ${num(Math.max(0, ...completed.map((value, index) => value + (failed[index] ?? 0))))}`} />
      {detail ? (
        <>
          <Tile label="Runs for" value={detail.p50 === null ? "–" : span(detail.p50)} note={detail.p95 === null ? "no finished jobs kept" : `95 % below ${span(detail.p95)}`} />
          <Tile label="Waits for" value={detail.wait_p95 === null ? "–" : span(detail.wait_p95)} note="or less, 95 % of jobs" />
        </>
      ) : null}
    </div>
  );
}

function Legend(): JSX.Element {
  return (
    <span class="legend">
      <span data-state="completed">
        <i /> done
      </span>
      <span data-state="failed">
        <i /> failed
      </span>
    </span>
  );
}

function NotCounted(): JSX.Element {
  return (
    <Empty title="Nobody counts here yet">
      Workers count what they do each minute if they are told to: <code>Worker(…, metrics=…)</code>, or <code>metrics</code> in BullMQ. Past jobs can’t be counted afterwards, since some are removed.
    </Empty>
  );
}

function sum(values: readonly number[]): number {
  return values.reduce((all, one) => all + one, 0);
}

function added(rows: readonly QueueRow[], name: "done_per_minute" | "failed_per_minute"): number[] {
  const length = Math.max(0, ...rows.map((row) => row[name].length));
  const found = new Array<number>(length).fill(0);
  for (const row of rows) row[name].forEach((value, index) => (found[length - row[name].length + index] = (found[length - row[name].length + index] ?? 0) + value));
  return found;
}

/** So many minutes together; the newest group is whole. */
function grouped(values: readonly number[], size: number): number[] {
  if (size === 1) return [...values];
  const found: number[] = [];
  for (let end = values.length; end > 0; end -= size) found.unshift(sum(values.slice(Math.max(0, end - size), end)));
  return found;
}
