/** How much is done, how long it takes, and how much fails, over time: as the workers recorded it, not by the jobs that are left. */

import { computed, type Signal, useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";

import { part, post, serverNow, url, useApi } from "../api";
import { FormDialog } from "../components/FormDialog";
import type { Line } from "../components/Plot";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { num, percent, plural, visible } from "../lib/format";
import { byQueue, few, percentiles, RANGES, sorted, type SortKey, sumOf } from "../lib/stats";
import { day, exact, fieldTime, readMoment, span, when } from "../lib/time";
import { now } from "../live";
import { route, setQuery } from "../router";
import type { Done, NameStats, Spread, Stats, StatsPoint } from "../shapes";
import { may, zone } from "../state";
import { Banner, Broken, Button, Field, IconButton, lazy, Link, Loading, Page, perform, Time } from "../ui";
import { QueueChoice } from "./choice";
import { Tile } from "./redis";

const Plot = lazy(() => import("../components/Plot").then((module) => module.Plot), () => <div class="plot-box plot-wait" />);
const Minutes = lazy(() => import("./minutes").then((module) => module.Minutes));

const MINUTE = 60_000;

export default function MetricsPage(): JSX.Element {
  const { query } = route.value;
  const queue = query.get("queue");
  const name = query.get("name");
  const [asked, setAsked] = useState<"range" | "mark" | null>(null);
  const chosen = rangeOf(query);
  const { data, error, loading, refresh, old } = useKept<Stats>(url("/stats", { queue, name, from: chosen.since, to: chosen.until }), `${queue} ${name} ${query.get("from")} ${query.get("to")}`);
  const absent = error?.status === 404 && !data;
  const recorded = data?.recorded ?? false;

  return (
    <Page
      title="Metrics"
      lead={recorded && data ? <Lead data={data} words={chosen.words} /> : undefined}
      actions={
        <>
          {recorded ? (
            <div class="switch" role="group" aria-label="Time">
              {RANGES.map((one) => (
                <button key={one.from} type="button" aria-pressed={chosen.from === one.from && !chosen.until} title={`Show ${one.words}`} onClick={() => setQuery({ from: one.from, to: null })}>
                  {one.text}
                </button>
              ))}
              <button type="button" aria-pressed={!RANGES.some((one) => one.from === chosen.from) || chosen.until !== null} onClick={() => setAsked("range")}>
                Other…
              </button>
            </div>
          ) : null}
          <QueueChoice chosen={queue} onChoose={(next) => setQuery({ queue: next, name: null })} />
          {may("mark") && recorded ? (
            <Button icon="bookmark" onClick={() => setAsked("mark")}>
              Add a mark
            </Button>
          ) : null}
        </>
      }
    >
      {loading && !data ? <Loading /> : null}
      {error && !data && !absent ? <Broken error={error} retry={refresh} /> : null}
      {absent || (data && !recorded) ? (
        <>
          <NotRecorded />
          <Minutes queue={queue} />
        </>
      ) : null}
      {data && recorded ? <Recorded data={data} queue={queue} name={name} words={chosen.words} busy={old} /> : null}
      {asked === "range" ? <OtherRange onClose={() => setAsked(null)} /> : null}
      {asked === "mark" ? <NewMark onClose={() => setAsked(null)} /> : null}
    </Page>
  );
}

interface Chosen {
  from: string;
  words: string;
  since: number;
  until: number | null;
}

const thisMinute = computed(() => {
  void now.value;
  return Math.floor(serverNow() / MINUTE) * MINUTE;
});

/** The time that the address says; what is relative moves on with the clock, a minute at a time. */
function rangeOf(query: URLSearchParams): Chosen {
  const minute = thisMinute.value;
  const from = query.get("from") ?? "-1h";
  const known = RANGES.find((one) => one.from === from);
  const until = query.get("to") === null ? null : readMoment(query.get("to") ?? "", minute, zone.value);
  const since = readMoment(from, minute, zone.value) ?? minute - 3_600_000;
  const words = known && until === null ? known.words : `${when(since, minute, zone.value)} to ${until === null ? "now" : when(until, minute, zone.value)}`;
  return { from, words, since: Math.min(since, (until ?? minute) - MINUTE), until };
}

/** What was asked for, and while the next minute's answer is on its way, what was there before. */
function useKept<T>(path: string, about: string): { data: T | undefined; error: ReturnType<typeof useApi<T>>["error"]; loading: boolean; refresh: () => void; old: boolean } {
  const { data, error, loading, refresh } = useApi<T>(path, { every: 15_000 });
  const before = useRef<{ about: string; data: T } | null>(null);
  if (data !== undefined) before.current = { about, data };
  const shown = data ?? (before.current?.about === about || loading ? before.current?.data : undefined);
  return { data: shown, error, loading, refresh, old: data === undefined && before.current?.about !== about };
}

function Lead({ data, words }: { data: Stats; words: string }): JSX.Element {
  return (
    <>
      {words[0]?.toUpperCase()}
      {words.slice(1)}, in steps of {data.step === MINUTE ? "a minute" : data.step === 3_600_000 ? "an hour" : data.step === 86_400_000 ? "a day (UTC)" : span(data.step)}. Drag over a chart to look closer.
    </>
  );
}

function NotRecorded(): JSX.Element {
  return (
    <Banner kind="info">
      No worker records here how long jobs run and wait, or how each kind of job does: <code>Worker(…, recorder=True)</code> turns it on. Until then these are BullMQ’s counters, minute by minute.
    </Banner>
  );
}

// ------------------------------------------------------------------------------------------------------------ charts

function Recorded({ data, queue, name, words, busy }: { data: Stats; queue: string | null; name: string | null; words: string; busy: boolean }): JSX.Element {
  const sums = sumOf(data.points);
  const minutes = (data.points.length * data.step) / MINUTE;
  const all = sums.completed + sums.failed;
  const one = data.names.length === 1 ? data.names[0] : undefined;
  return (
    <div class="metrics" aria-busy={busy}>
      {name ? (
        <p class="metrics-filter">
          Only jobs named{" "}
          <b>
            <Visible text={name} />
          </b>
          <IconButton icon="close" label="All names" onClick={() => setQuery({ name: null })} />
        </p>
      ) : null}
      <div class="tiles metrics-tiles">
        <Tile label="Completed" value={num(sums.completed)} note={words} />
        <Tile label="Failed" value={num(sums.failed)} state={sums.failed ? "failed" : undefined} note={`${percent(sums.failed, all)} of all${sums.retried ? `, ${plural(sums.retried, "attempt")} tried again` : ""}`} />
        <Tile label="A minute" value={num(Math.round((all / Math.max(1, minutes)) * 10) / 10)} note={`busiest step: ${num(sums.busiest)}`} />
        {one ? (
          <>
            <Tile label="Runs for" value={lengthOf(one.run.p95)} note={`or less, 95 % of ${plural(one.run.count, "job")}`} />
            <Tile label="Waits for" value={lengthOf(one.wait.p95)} note={`or less, 95 %; half ${lengthOf(one.wait.p50)}`} />
          </>
        ) : null}
      </div>
      <Charts data={data} />
      <Marks data={data} />
      {queue === null && !name ? <Queues data={data} /> : null}
      <Names data={data} queue={queue} name={name} />
    </div>
  );
}

function lengthOf(ms: number | null): string {
  return ms === null ? "–" : span(ms);
}

const PERCENTILES = [
  ["p50", "s-active", "half"],
  ["p95", "s-waiting", "95 %"],
  ["p99", "s-prioritized", "99 %"],
] as const;

function Charts({ data }: { data: Stats }): JSX.Element {
  const chosen = useSignal<number | null>(null);
  const { points, step } = data;
  const at = useMemo(() => points.map((point) => point.at), [points]);
  const lines = useMemo(() => {
    const durations = (kind: "run" | "wait"): Line[] =>
      PERCENTILES.flatMap(([which, colour]) => {
        const { all, sure } = percentiles(points, kind, which);
        return [
          { values: all, colour, as: "line", faint: true },
          { values: sure, colour, as: "line" },
        ] satisfies Line[];
      });
    return {
      done: [
        { values: points.map((point) => point.completed + point.failed), colour: "s-failed", as: "steps" },
        { values: points.map((point) => point.completed), colour: "s-completed", as: "steps" },
      ] satisfies Line[],
      failed: [{ values: points.map((point) => point.failed), colour: "s-failed", as: "steps" }] satisfies Line[],
      run: durations("run"),
      wait: durations("wait"),
    };
  }, [points]);
  const onRange = (from: number, to: number) => setQuery({ from: Math.floor(from / MINUTE) * MINUTE, to: Math.max(Math.ceil(to / MINUTE), Math.floor(from / MINUTE) + 1) * MINUTE });
  const common = { at, step, marks: data.marks, zone: zone.value, now: data.now, chosen, onRange };
  const spoken = (words: (point: StatsPoint) => string) => (index: number) => {
    const point = points[index];
    return point ? `${stepOf(point.at, step)}: ${words(point)}` : "";
  };
  const few = points.some((point) => point.run.count > 0 && point.run.count < 20);
  return (
    <>
      <div class="plots">
        <Card title="Throughput" note="jobs in each step" wide legend={<Reading points={points} step={step} chosen={chosen} parts={[["s-completed", "completed", (point) => num(point.completed)], ["s-failed", "failed", (point) => num(point.failed)]]} />}>
          <Plot {...common} words label="Throughput" lines={lines.done} height={230} spoken={spoken((point) => `${num(point.completed)} completed, ${num(point.failed)} failed`)} />
        </Card>
        <Card title="Run time" note={few ? "faint: fewer than 20 jobs" : "scale of tens"} legend={<Reading points={points} step={step} chosen={chosen} parts={PERCENTILES.map(([which, colour, word]) => [colour, word, (point) => lengthOf(point.run[which])])} />}>
          <Plot {...common} label="Run time" times lines={lines.run} height={210} spoken={spoken((point) => heard(point.run))} />
        </Card>
        <Card title="Wait" note="from due to taken" legend={<Reading points={points} step={step} chosen={chosen} parts={PERCENTILES.map(([which, colour, word]) => [colour, word, (point) => lengthOf(point.wait[which])])} />}>
          <Plot {...common} label="Wait" times lines={lines.wait} height={210} spoken={spoken((point) => heard(point.wait))} />
        </Card>
        <Card title="Failures" note="for good" wide legend={<Reading points={points} step={step} chosen={chosen} parts={[["s-failed", "failed", (point) => num(point.failed)], ["s-failed", "of all", (point) => percent(point.failed, point.completed + point.failed)], ["s-waiting", "tried again", (point) => num(point.retried)]]} />}>
          <Plot {...common} label="Failures" lines={lines.failed} height={130} spoken={spoken((point) => `${num(point.failed)} failed, ${num(point.retried)} tried again`)} />
        </Card>
      </div>
      <AsTable data={data} />
    </>
  );
}

function heard(spread: Spread): string {
  return spread.count ? `half within ${lengthOf(spread.p50)}, 95 % within ${lengthOf(spread.p95)}, 99 % within ${lengthOf(spread.p99)}, of ${plural(spread.count, "job")}` : "no jobs";
}

function stepOf(at: number, step: number): string {
  return step >= 86_400_000 ? day(at, "utc").replace(/, \d\d:\d\d$/, "") : day(at, zone.value);
}

function Card({ title, note, wide, legend, children }: { title: string; note: string; wide?: boolean; legend: JSX.Element; children: JSX.Element }): JSX.Element {
  return (
    <section class="card plot-card" data-wide={wide} aria-label={title}>
      <div class="plot-head">
        <h2>
          {title} <span class="muted">{note}</span>
        </h2>
        {legend}
      </div>
      {children}
    </section>
  );
}

interface ReadingProps {
  points: readonly StatsPoint[];
  step: number;
  chosen: Signal<number | null>;
  parts: readonly (readonly [colour: string, word: string, value: (point: StatsPoint) => string])[];
}

/** The legend; while a step is pointed at, with its values. */
function Reading({ points, step, chosen, parts }: ReadingProps): JSX.Element {
  const point = chosen.value === null ? undefined : points[chosen.value];
  return (
    <p class="reading">
      {point ? <span class="muted">{stepOf(point.at, step)}</span> : null}
      {parts.map(([colour, word, value]) => (
        <span key={word} data-colour={colour}>
          <i /> {word} {point ? <b>{value(point)}</b> : null}
        </span>
      ))}
    </p>
  );
}

/** The same in words and numbers: for those who don't see charts, and those who want to copy them. */
function AsTable({ data }: { data: Stats }): JSX.Element {
  const [open, setOpen] = useState(false);
  return (
    <details class="fold metrics-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table</summary>
      {open ? (
        <div class="sheet metrics-rows" tabIndex={0} role="region" aria-label="All steps">
          <table class="table">
            <caption class="sr">What was done in each step, the newest first</caption>
            <thead>
              <tr>
                <th scope="col">From</th>
                {["Completed", "Failed", "Tried again", "Run p50", "Run p95", "Run p99", "Wait p50", "Wait p95", "Wait p99"].map((word) => (
                  <th key={word} scope="col" class="n">
                    {word}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.points.toReversed().map((point) => (
                <tr key={point.at}>
                  <th scope="row" title={exact(point.at, zone.value)}>
                    {stepOf(point.at, data.step)}
                  </th>
                  {[point.completed, point.failed, point.retried].map((value, index) => (
                    <td key={index} class="n">
                      {num(value)}
                    </td>
                  ))}
                  {[point.run, point.wait].flatMap((spread, kind) =>
                    (["p50", "p95", "p99"] as const).map((which) => (
                      <td key={`${kind} ${which}`} class="n">
                        {lengthOf(spread[which])}
                      </td>
                    )),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </details>
  );
}

// ------------------------------------------------------------------------------------------------------------- marks

function Marks({ data }: { data: Stats }): JSX.Element | null {
  if (!data.marks.length) return null;
  return (
    <section class="marks" aria-label="Marks">
      <h2>Marks</h2>
      <ul>
        {data.marks.toReversed().map((mark) => (
          <li key={`${mark.at} ${mark.text}`}>
            <span class="muted">
              <Time at={mark.at} />
            </span>{" "}
            <Visible text={mark.text} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Say that something happened, such as a deploy. */
function NewMark({ onClose }: { onClose: () => void }): JSX.Element {
  const [text, setText] = useState("");
  const [moment, setMoment] = useState("");
  const at = moment.trim() ? readMoment(moment, serverNow(), zone.value) : serverNow();
  const good = text.trim() !== "" && at !== null;
  const save = async () => {
    if (await perform(() => post<Done>("/marks", moment.trim() ? { text: text.trim(), at } : { text: text.trim() }))) onClose();
  };
  return (
    <FormDialog title="Add a mark" verb="Add mark" ready={good} onSave={() => void save()} onClose={onClose}>
      <p>A line in all charts, so that one sees what came before and after. A deploy can add it by itself: POST to /api/v1/marks.</p>
      <Field label="What happened">{({ id }) => <input id={id} class="input" data-first maxLength={200} value={text} placeholder="deploy 1.42.0" autocomplete="off" onInput={(event) => setText(event.currentTarget.value)} />}</Field>
      <Field label="When" hint={at !== null && moment.trim() ? exact(at, zone.value) : "Now, if empty; or such as -10m, or 2026-12-24 18:00"} error={at === null ? "Neither a length of time nor a date" : null}>
        {({ id, describedBy, invalid }) => <input id={id} class="input" value={moment} placeholder="now" aria-describedby={describedBy} aria-invalid={invalid} autocomplete="off" onInput={(event) => setMoment(event.currentTarget.value)} />}
      </Field>
    </FormDialog>
  );
}

function OtherRange({ onClose }: { onClose: () => void }): JSX.Element {
  const { query } = route.value;
  const shown = (text: string | null) => (text && /^\d{12,14}$/.test(text) ? fieldTime(Number(text), zone.value).slice(0, 16).replace("T", " ") : (text ?? ""));
  const [from, setFrom] = useState(shown(query.get("from")));
  const [to, setTo] = useState(shown(query.get("to")));
  const [since, until] = [readMoment(from, serverNow(), zone.value), to.trim() ? readMoment(to, serverNow(), zone.value) : serverNow()];
  const flaw = since !== null && until !== null && since >= until ? "It ends before it begins." : null;
  const save = () => {
    if (since === null || until === null || flaw) return;
    // What was typed as a date is by the viewer's clock: in the address it is the same for all.
    const kept = (text: string, at: number) => (/^[-+]/.test(text.trim()) ? text.trim() : String(at));
    setQuery({ from: kept(from, since), to: to.trim() && to.trim() !== "now" ? kept(to, until) : null });
    onClose();
  };
  return (
    <FormDialog title="Which time" verb="Show" ready={since !== null && until !== null && flaw === null} onSave={save} onClose={onClose}>
      <div class="fields-2">
        <Field label="From" hint="Such as -6h, or 2026-11-24 18:00" error={from.trim() && since === null ? "Neither a length of time nor a date" : null}>
          {({ id, describedBy, invalid }) => <input id={id} class="input" data-first value={from} autocomplete="off" aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setFrom(event.currentTarget.value)} />}
        </Field>
        <Field label="To" hint="Now, if empty" error={until === null ? "Neither a length of time nor a date" : flaw}>
          {({ id, describedBy, invalid }) => <input id={id} class="input" value={to} placeholder="now" autocomplete="off" aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setTo(event.currentTarget.value)} />}
        </Field>
      </div>
      <p class="muted">Minutes are kept for three hours, hours for two weeks, days for a year.</p>
    </FormDialog>
  );
}

// ------------------------------------------------------------------------------------------------------------ tables

function Queues({ data }: { data: Stats }): JSX.Element | null {
  const rows = byQueue(data.names);
  if (rows.length < 2) return null;
  const most = Math.max(1, ...rows.map((row) => row.completed + row.failed));
  return (
    <section class="section" aria-label="By queue">
      <h2>By queue</h2>
      <div class="sheet">
        <table class="table cards">
          <caption class="sr">By queue</caption>
          <thead>
            <tr>
              <th scope="col">Queue</th>
              <th scope="col">Share</th>
              <th scope="col" class="n">
                Completed
              </th>
              <th scope="col" class="n">
                Failed
              </th>
              <th scope="col" class="n">
                Failed %
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.queue}>
                <th scope="row">
                  <Link to={`/metrics?queue=${part(row.queue)}${rest()}`}>
                    <Visible text={row.queue} />
                  </Link>
                </th>
                <td data-label="Share" class="metrics-share">
                  <svg class="share" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                    <rect class="share-done" width={(row.completed / most) * 100} height={8} />
                    <rect class="share-failed" x={(row.completed / most) * 100} width={(row.failed / most) * 100} height={8} />
                  </svg>
                </td>
                <td data-label="Completed" class="n">
                  {num(row.completed)}
                </td>
                <Failed failed={row.failed} all={row.completed + row.failed} />
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {data.names.length >= 200 ? <p class="muted metrics-note">Of the 200 names with the most failures; there are more.</p> : null}
    </section>
  );
}

/** The rest of the address, for links that change only the queue or the name. */
function rest(): string {
  return ["from", "to", "sort"].map((word) => [word, route.value.query.get(word)] as const).filter(([, value]) => value !== null).map(([word, value]) => `&${word}=${part(value ?? "")}`).join("");
}

function Failed({ failed, all }: { failed: number; all: number }): JSX.Element {
  return (
    <>
      <td data-label="Failed" class="n" data-state={failed ? "failed" : undefined}>
        <span class={failed ? "s-text" : "muted"}>{num(failed)}</span>
      </td>
      <td data-label="Failed %" class="n">
        {percent(failed, all)}
      </td>
    </>
  );
}

const COLUMNS: readonly [SortKey, string][] = [
  ["name", "Name"],
  ["completed", "Completed"],
  ["failed", "Failed"],
  ["share", "Failed %"],
  ["run", "Run p95"],
  ["wait", "Wait p95"],
];

function Names({ data, queue, name }: { data: Stats; queue: string | null; name: string | null }): JSX.Element {
  const key = COLUMNS.find(([one]) => one === route.value.query.get("sort"))?.[0] ?? "failed";
  const rows = useMemo(() => sorted(data.names, key), [data.names, key]);
  return (
    <section class="section" aria-label="By name">
      <h2>By name</h2>
      {rows.length === 0 ? <p class="muted">No jobs ended in this time.</p> : null}
      {rows.length ? (
        <div class="sheet">
          <table class="table cards metrics-names">
            <caption class="sr">By the names of jobs</caption>
            <thead>
              <tr>
                {COLUMNS.flatMap(([one, text]) => [
                  <th key={one} scope="col" class={one === "name" ? undefined : "n"} aria-sort={one === key ? (one === "name" ? "ascending" : "descending") : undefined}>
                    <button type="button" class="sort" onClick={() => setQuery({ sort: one === "failed" ? null : one }, { replace: true })}>
                      {text}
                      {one === key ? <Icon name={one === "name" ? "up" : "down"} size={12} /> : null}
                    </button>
                  </th>,
                  ...(one === "name" && queue === null
                    ? [
                        <th key="queue" scope="col">
                          Queue
                        </th>,
                      ]
                    : []),
                ])}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <NameRow key={`${row.queue} ${row.name}`} row={row} all={queue === null} only={name !== null} />
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </section>
  );
}

function NameRow({ row, all, only }: { row: NameStats; all: boolean; only: boolean }): JSX.Element {
  return (
    <tr>
      <th scope="row">
        {only ? (
          <Visible text={row.name} />
        ) : (
          <Link to={`/metrics?queue=${part(row.queue)}&name=${part(row.name)}${rest()}`} aria-label={`Only ${visible(row.name)} in ${row.queue}`}>
            <Visible text={row.name} />
          </Link>
        )}
      </th>
      {all ? (
        <td data-label="Queue" class="muted">
          <Visible text={row.queue} />
        </td>
      ) : null}
      <td data-label="Completed" class="n">
        {num(row.completed)}
      </td>
      <Failed failed={row.failed} all={row.completed + row.failed} />
      <Length label="Run p95" spread={row.run} />
      <Length label="Wait p95" spread={row.wait} />
    </tr>
  );
}

function Length({ label, spread }: { label: string; spread: Spread }): JSX.Element {
  return (
    <td data-label={label} class="n" title={`Half ${lengthOf(spread.p50)}, 99 % ${lengthOf(spread.p99)}, of ${plural(spread.count, "job")}`}>
      <span class={few(spread) ? "muted" : undefined}>{lengthOf(spread.p95)}</span>
    </td>
  );
}
