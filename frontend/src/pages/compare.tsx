/** Two jobs side by side: what is the same, and what is not. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

import { type ApiError, part, url, useApi } from "../api";
import { Changes } from "../components/Trace";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { changes, type Difference, places } from "../lib/diff";
import type { Json } from "../lib/exact";
import { bytes, clip, middle, num, plural } from "../lib/format";
import { exact, span } from "../lib/time";
import { route, setQuery, toJob, toQueue, unquoted } from "../router";
import type { JobDetail } from "../shapes";
import { may, queueNames, zone } from "../state";
import { Banner, Button, Field, Link, Loading, Page, StatePill } from "../ui";

interface Ref {
  queue: string;
  id: string;
}

/** Which job a word of the address means: `queue/id`. */
function refOf(text: string | null): Ref | null {
  const slash = text?.indexOf("/") ?? -1;
  if (!text || slash <= 0 || slash === text.length - 1) return null;
  const queue = unquoted(text.slice(0, slash));
  return queue === null ? null : { queue, id: text.slice(slash + 1) };
}

function useJob(ref: Ref | null): { job: JobDetail | undefined; error: ApiError | null } {
  const { data, error } = useApi<JobDetail>(ref && url(`/queues/${part(ref.queue)}/job`, { id: ref.id }), { every: 0 });
  return { job: data, error };
}

export default function ComparePage(): JSX.Element {
  const { query } = route.value;
  const [a, b] = [refOf(query.get("a")), refOf(query.get("b"))];
  const [first, second] = [useJob(a), useJob(b)];
  const all = query.get("all") === "1";
  const swap = () => setQuery({ a: query.get("b"), b: query.get("a") }, { replace: true });
  const crumbs = a ? (
    <Link to={toQueue(a.queue)} data-up="">
      <Icon name="left" size={14} /> {a.queue}
    </Link>
  ) : undefined;
  const both = first.job && second.job;
  return (
    <Page
      title="Compare two jobs"
      crumbs={crumbs}
      actions={
        both ? (
          <>
            <Button onClick={swap}>Swap</Button>
            <Button onClick={() => setQuery({ all: all ? null : "1" }, { replace: true })}>{all ? "Only differences" : "All values"}</Button>
          </>
        ) : undefined
      }
    >
      <div class="compare-heads">
        <Side name="a" of={a} job={first.job} error={first.error} />
        <Side name="b" of={b} job={second.job} error={second.error} />
      </div>
      {first.job && second.job ? <Compared a={first.job} b={second.job} all={all} /> : null}
    </Page>
  );
}

/** Which job stands on a side; a form where there is none yet. */
function Side({ name, of, job, error }: { name: "a" | "b"; of: Ref | null; job: JobDetail | undefined; error: ApiError | null }): JSX.Element {
  if (!of) return <Choose name={name} />;
  return (
    <section class="card compare-side" aria-label={name === "a" ? "First job" : "Second job"}>
      {job ? (
        <>
          <Link to={toJob(of.queue, of.id)} class="compare-name">
            <Visible text={job.name || "(no name)"} />
          </Link>
          <StatePill state={job.state} />
          <span class="mono muted compare-id" title={of.id}>
            {middle(of.id, 26)}
          </span>
          <span class="muted">{of.queue}</span>
        </>
      ) : error ? (
        <Banner kind="bad" action={<Button onClick={() => setQuery({ [name]: null })}>Another</Button>}>
          <span class="mono">{middle(of.id, 26)}</span>: {error.status === 404 ? "There is no such job (any more)." : error.message}
        </Banner>
      ) : (
        <Loading rows={1} />
      )}
    </section>
  );
}

function Choose({ name }: { name: "a" | "b" }): JSX.Element {
  const other = refOf(route.value.query.get(name === "a" ? "b" : "a"));
  const [queue, setQueue] = useState(other?.queue ?? queueNames.value[0] ?? "");
  const [id, setId] = useState("");
  const submit = (event: Event) => {
    event.preventDefault();
    if (id.trim()) setQuery({ [name]: `${encodeURIComponent(queue)}/${id.trim()}` });
  };
  return (
    <form class="card compare-side compare-choose" aria-label={name === "a" ? "Choose the first job" : "Choose the second job"} onSubmit={submit}>
      <Field label="Queue">
        {({ id: own }) => (
          <select id={own} class="select" value={queue} onChange={(event) => setQueue(event.currentTarget.value)}>
            {queueNames.value.map((one) => (
              <option key={one}>{one}</option>
            ))}
          </select>
        )}
      </Field>
      <Field label="Id of the job">{({ id: own }) => <input id={own} class="input mono" value={id} autocomplete="off" autocapitalize="off" spellcheck={false} onInput={(event) => setId(event.currentTarget.value)} />}</Field>
      <Button type="submit" kind="primary" disabled={!id.trim()}>
        Compare
      </Button>
    </form>
  );
}

// ----------------------------------------------------------------------------------------------------- what differs

/** A value of a job that is compared as a text. */
interface Value {
  name: string;
  of: (job: JobDetail) => string | null;
}

const length = (from: number | null, to: number | null) => (from !== null && to !== null ? span(Math.max(0, to - from)) : null);
const when = (at: number | null) => (at === null ? null : exact(at, zone.value));

const FACTS: readonly Value[] = [
  { name: "Name", of: (job) => job.name },
  { name: "Queue", of: (job) => job.queue },
  { name: "State", of: (job) => job.state },
  { name: "Attempts", of: (job) => `${num(job.attempts_made)} of ${num(job.attempts)}` },
  { name: "Priority", of: (job) => (job.priority > 0 ? num(job.priority) : "none") },
  { name: "Worker", of: (job) => job.worker },
  { name: "Scheduler", of: (job) => job.scheduler },
  { name: "Stalled", of: (job) => (job.stalled > 0 ? plural(job.stalled, "time") : null) },
  { name: "Data, size", of: (job) => bytes(job.data_size) },
  { name: "Result, size", of: (job) => (job.return_size > 0 ? bytes(job.return_size) : null) },
];

const TIMES: readonly Value[] = [
  { name: "Added", of: (job) => when(job.created) },
  { name: "Started", of: (job) => when(job.started) },
  { name: "Finished", of: (job) => when(job.finished) },
  { name: "Waited", of: (job) => length(job.due ?? job.created, job.started) },
  { name: "Ran", of: (job) => length(job.started, job.finished) },
];

function rowsOf(values: readonly Value[], a: JobDetail, b: JobDetail): Difference[] {
  return values.map(({ name, of }) => {
    const [first, second] = [of(a), of(b)];
    return { path: name, first, second, same: first === second };
  });
}

function Compared({ a, b, all }: { a: JobDetail; b: JobDetail; all: boolean }): JSX.Element {
  const masked = a.masked || b.masked;
  return (
    <>
      {masked || a.data_cut || b.data_cut ? (
        <Banner>
          {masked ? "Hidden values are compared as they are shown, so they all look the same. " : ""}
          {a.data_cut || b.data_cut ? "Large data is compared as far as it is shown." : ""}
        </Banner>
      ) : null}
      <Part title="How they went" rows={rowsOf(TIMES, a, b)} all plain />
      <Part title="Facts" rows={rowsOf(FACTS, a, b)} all={all} />
      <Reasons a={a} b={b} />
      {may("view_data") ? <Part title="Data" {...places(a.data as Json, b.data as Json)} all={all} json /> : null}
      {may("view_data") && (a.return_value !== null || b.return_value !== null) ? <Part title="Result" {...places(a.return_value as Json, b.return_value as Json)} all={all} json /> : null}
      <Part title="Options" {...places(a.options as Json, b.options as Json)} all={all} json />
    </>
  );
}

interface PartProps {
  title: string;
  rows: readonly Difference[];
  cut?: boolean;
  all: boolean;
  json?: boolean;
  /** Without marks: these differ anyway. */
  plain?: boolean;
}

function Part({ title, rows, cut, all, json, plain }: PartProps): JSX.Element {
  const differ = rows.filter((row) => !row.same).length;
  const shown = rows.filter((row) => (all && (row.first !== null || row.second !== null)) || !row.same);
  return (
    <section class="card compare-part" aria-label={title}>
      <div class="card-head">
        <h2>{title}</h2>
        {plain ? null : <span class="muted">{differ === 0 ? "No difference" : `${plural(differ, "difference")} in ${plural(rows.length, "value")}`}</span>}
      </div>
      {shown.length > 0 ? (
        <table class="table compare-table" aria-label={title} data-plain={plain}>
          <colgroup>
            <col class="compare-what" />
            <col />
            <col />
          </colgroup>
          <thead class="sr">
            <tr>
              <th scope="col">Value</th>
              <th scope="col">First job</th>
              <th scope="col">Second job</th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <Line key={row.path} row={row} json={json} />
            ))}
          </tbody>
        </table>
      ) : null}
      {cut ? <p class="compare-cut muted">There are more values than are compared here.</p> : null}
    </section>
  );
}

const LONGEST = 2_000;

function Line({ row, json }: { row: Difference; json?: boolean }): JSX.Element {
  const side = (text: string | null): ComponentChildren => (text === null ? <span class="muted">{json ? "not there" : "–"}</span> : <Visible text={clip(text, LONGEST)} lines />);
  return (
    <tr data-differs={!row.same}>
      <th scope="row" class={json ? "mono" : undefined}>
        <Visible text={clip(row.path.replace(/^\./, "") || "the whole of it", 200)} />
        {row.same ? null : <span class="sr"> differs</span>}
      </th>
      <td data-label="First" class={json ? "mono" : undefined}>
        {side(row.first)}
      </td>
      <td data-label="Second" class={json ? "mono" : undefined}>
        {side(row.second)}
      </td>
    </tr>
  );
}

/** What both failed of, word by word. */
function Reasons({ a, b }: { a: JobDetail; b: JobDetail }): JSX.Element | null {
  const [first, second] = [a.failed_reason_whole ?? a.failed_reason ?? "", b.failed_reason_whole ?? b.failed_reason ?? ""];
  if (!first && !second) return null;
  return (
    <section class="card compare-part" aria-label="Error">
      <div class="card-head">
        <h2>Error</h2>
        <span class="muted">{first === second ? "No difference" : !first || !second ? "Only one has failed" : "Differs"}</span>
      </div>
      <p class="compare-reason">{first === second ? <Visible text={first} lines /> : <Changes parts={changes(first, second)} />}</p>
    </section>
  );
}
