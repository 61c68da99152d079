/** The jobs of a queue in one state: filter, pages, rows, selection. */

import type { JSX } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { ApiError, get, part, post, serverNow, url, useApi } from "./api";
import { Empty } from "./components/Empty";
import { toast } from "./components/Toast";
import { Visible } from "./components/Visible";
import { Icon } from "./icons";
import { busyKeys } from "./keys";
import { isEmpty, parse, problem, suggest, toQuery } from "./lib/filter";
import { middle, num, plural } from "./lib/format";
import { held, now } from "./live";
import { route, setQuery, toJob, withQuery } from "./router";
import type { Counts, Done, JobPage, JobRow, SearchPage } from "./shapes";
import { lastList, may } from "./state";
import { canBe, stateOf } from "./states";
import { Broken, Button, IconButton, lazy, Link, Loading, nothing, perform, Progress, Span, StatePill, Time } from "./ui";

export const PAGE = 50;

export type BulkAction = "retry" | "promote" | "remove";

/** What a bulk action is about: these jobs, or all in a state that fit a filter. */
export interface Chosen {
  ids?: string[];
  state?: string;
  filter: Record<string, string>;
  /** The filter as people read it. */
  words: string;
}

const BulkDialog = lazy(() => import("./dialogs").then((module) => module.BulkDialog), nothing);

interface Props {
  queue: string;
  state: string;
  counts: Counts;
  paused: boolean;
  workers: number | null;
}

export function Jobs(props: Props): JSX.Element {
  const { state } = props;
  const { query } = route.value;
  const text = query.get("q") ?? "";
  const fingerprint = query.get("fingerprint");
  const filter = parse(text);
  const flaw = problem(filter, serverNow());
  // A relative time means the moment that it was asked at: else each second would ask anew.
  const asked = useMemo(() => {
    const words = isEmpty(parse(text)) ? {} : toQuery(parse(text), serverNow());
    return fingerprint ? { ...words, fingerprint } : words;
  }, [text, fingerprint]);
  const searching = Object.keys(asked).length > 0 && !flaw;
  return (
    <section class="jobs" aria-label="Jobs">
      <FilterBar text={text} flaw={flaw} state={state} fingerprint={fingerprint} searching={searching} />
      {searching || state === "any" ? (
        <Found key={`${state} ${JSON.stringify(asked)}`} {...props} asked={asked} words={text || "this kind of failure"} />
      ) : (
        <Listed key={state} {...props} />
      )}
    </section>
  );
}

// ------------------------------------------------------------------------------------------------------ filter bar

interface BarProps {
  text: string;
  flaw: string | null;
  state: string;
  fingerprint: string | null;
  searching: boolean;
}

function FilterBar({ text, flaw, state, fingerprint, searching }: BarProps): JSX.Element {
  const [typed, setTyped] = useState(text);
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => setTyped(text), [text]);
  const send = (value: string) => {
    setOpen(false);
    setQuery({ q: value.trim(), start: null });
  };
  const hints = open ? suggest(typed) : [];
  const order = orderOf(state);
  return (
    <div class="filter">
      <form
        class="filter-form"
        role="search"
        onSubmit={(event) => {
          event.preventDefault();
          send(typed);
        }}
      >
        <Icon name="search" />
        <input
          ref={box}
          class="filter-input"
          type="search"
          data-search
          aria-label="Filter jobs"
          aria-describedby={flaw ? "filter-flaw" : undefined}
          aria-invalid={Boolean(flaw)}
          placeholder={stateOf(state)?.id === "failed" ? "Id, name, data or error…" : "Id, name or data…"}
          autocomplete="off"
          spellcheck={false}
          value={typed}
          onFocus={() => setOpen(true)}
          onBlur={() => setOpen(false)}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setOpen(true);
          }}
          onKeyDown={(event) => {
            if (event.key === "Escape" && (typed || open)) {
              event.stopPropagation();
              if (open && hints.length > 0) setOpen(false);
              else send("");
            }
          }}
        />
        {hints.length > 0 ? (
          <ul class="filter-hints" aria-label="What can be typed">
            {hints.map((hint) => (
              <li key={hint.key}>
                <button
                  type="button"
                  tabIndex={-1}
                  onPointerDown={(event) => {
                    event.preventDefault();
                    setTyped(hint.insert);
                    box.current?.focus();
                  }}
                >
                  <span class="mono">{hint.key}:</span> {hint.hint} <span class="muted mono">{hint.example}</span>
                </button>
              </li>
            ))}
          </ul>
        ) : null}
      </form>
      {fingerprint ? (
        <span class="badge filter-chip">
          One kind of failure
          <button type="button" aria-label="All kinds of failures" title="All kinds of failures" onClick={() => setQuery({ fingerprint: null, start: null })}>
            <Icon name="close" size={12} />
          </button>
        </span>
      ) : null}
      {state === "any" ? (
        <span class="badge filter-chip">
          All states
          <button type="button" aria-label="Only one state" title="Only one state" onClick={() => setQuery({ state: null, start: null })}>
            <Icon name="close" size={12} />
          </button>
        </span>
      ) : null}
      {searching && state !== "any" ? (
        <Link class="button" data-kind="quiet" to={withQuery(route.value.path, { state: "any" }, route.value.query)}>
          Search all states
        </Link>
      ) : null}
      {searching || state === "any" ? null : (
        <Button kind="quiet" icon={order === "newest" ? "down" : "up"} onClick={() => setQuery({ order: order === "newest" ? "oldest" : "newest", start: null })} title="Turn the order">
          {orderWords(state, order)}
        </Button>
      )}
      {flaw ? (
        <p class="field-error filter-flaw" id="filter-flaw">
          {flaw}
        </p>
      ) : null}
    </div>
  );
}

/** Newest first for what is done, next first for what is to come. */
function orderOf(state: string): "newest" | "oldest" {
  const given = route.value.query.get("order");
  if (given === "newest" || given === "oldest") return given;
  return state === "completed" || state === "failed" ? "newest" : "oldest";
}

function orderWords(state: string, order: "newest" | "oldest"): string {
  const coming = state === "waiting" || state === "prioritized" || state === "delayed";
  if (coming) return order === "oldest" ? "Next first" : "Last first";
  return order === "newest" ? "Newest first" : "Oldest first";
}

// ------------------------------------------------------------------------------------------------- a page of a list

function Listed(props: Props): JSX.Element {
  const { queue, state } = props;
  const start = Math.max(0, Number(route.value.query.get("start")) || 0);
  const order = orderOf(state);
  const path = url(`/queues/${part(queue)}/jobs`, { state, start: start || null, count: PAGE, order });
  const { data, error, loading, refresh } = useApi<JobPage>(path, { live: queue });
  const [before, setBefore] = useState<JobPage | undefined>(undefined);
  useEffect(() => {
    if (data) setBefore(data);
  }, [data]);
  const page = data ?? before;

  // While somebody points at a row, it must not be another one when the button goes down.
  const [still, setStill] = useState<JobPage | null>(null);
  // Unless that somebody has just changed the list.
  const free = useRef(0);
  useEffect(() => setStill(null), [path]);
  const shown = still ?? page;
  const moved = still !== null && page !== undefined && still !== page && still.jobs.map(idOf).join() !== page.jobs.map(idOf).join();

  if (!shown) return error ? <Broken error={error} retry={refresh} /> : <Loading rows={10} />;
  if (shown.jobs.length === 0 && start > 0 && shown.total > 0 && !loading) {
    return <Empty title="This page is empty now" action={<Button onClick={() => setQuery({ start: null })}>To the first page</Button>} />;
  }
  return (
    <>
      {error && error.error !== "redis_away" && error.error !== "offline" ? <Broken error={error} retry={refresh} /> : null}
      <Table
        {...props}
        jobs={shown.jobs}
        start={shown.start}
        total={shown.total}
        filter={{}}
        words=""
        stale={data === undefined}
        onPoint={(inside) => setStill(inside && Date.now() > free.current ? (page ?? null) : null)}
        onChanged={() => {
          free.current = Date.now() + 3_000;
          setStill(null);
        }}
        empty={<NoJobs {...props} />}
      />
      <Pager start={shown.start} shown={shown.jobs.length} total={shown.total} moved={moved} onMove={() => setStill(null)} />
    </>
  );
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

function Pager({ start, shown, total, moved, onMove }: { start: number; shown: number; total: number; moved: boolean; onMove: () => void }): JSX.Element {
  const last = Math.max(0, Math.ceil(total / PAGE) - 1) * PAGE;
  const to = (at: number) => setQuery({ start: at > 0 ? at : null });
  return (
    <div class="pager">
      <span class="muted">
        {shown === 0 ? "0 jobs" : `${num(start + 1)}–${num(start + shown)} of ${num(total)}`}
        {held.value ? " · standing still while jobs are selected" : ""}
      </span>
      {moved ? (
        <Button kind="quiet" icon="up" onClick={onMove}>
          The list has moved on: show
        </Button>
      ) : null}
      {total > PAGE || start > 0 ? (
        <span class="pager-buttons">
          <Button disabled={start === 0} onClick={() => to(0)}>
            First
          </Button>
          <Button icon="left" disabled={start === 0} onClick={() => to(Math.max(0, start - PAGE))}>
            <span class="sr">Previous page</span>
          </Button>
          <Button icon="right" disabled={start + PAGE >= total} onClick={() => to(start + PAGE)}>
            <span class="sr">Next page</span>
          </Button>
          <Button disabled={start >= last} onClick={() => to(last)}>
            Last
          </Button>
        </span>
      ) : null}
    </div>
  );
}

// ----------------------------------------------------------------------------------------------------- what is found

const ENOUGH = 50;
const PATIENCE_MS = 15_000;

/** A search, step by step: it says how far it came, and goes on by itself until there is a screenful. */
function Found(props: Props & { asked: Record<string, string>; words: string }): JSX.Element {
  const { queue, state, asked } = props;
  const [jobs, setJobs] = useState<JobRow[]>([]);
  const [seen, setSeen] = useState({ looked: 0, total: 0, cursor: null as string | null, begun: false });
  const [going, setGoing] = useState(true);
  const [error, setError] = useState<ApiError | null>(null);
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (!going) return undefined;
    const stop = new AbortController();
    const run = async () => {
      const until = Date.now() + PATIENCE_MS;
      let cursor = seen.cursor;
      let hits = 0;
      try {
        do {
          const page: SearchPage = await get<SearchPage>(url(`/queues/${part(queue)}/search`, { ...asked, state: state === "any" ? null : state, cursor, count: ENOUGH }), stop.signal);
          cursor = page.cursor;
          hits += page.jobs.length;
          setJobs((some) => [...some, ...page.jobs.filter((job) => !some.some((one) => one.id === job.id))]);
          setSeen((was) => ({ looked: was.looked + page.looked_at, total: page.total, cursor, begun: true }));
        } while (cursor !== null && hits < ENOUGH && Date.now() < until && !stop.signal.aborted);
      } catch (problem) {
        if (stop.signal.aborted) return;
        setError(problem instanceof ApiError ? problem : new ApiError(0, "broken", String(problem)));
      }
      if (!stop.signal.aborted) setGoing(false);
    };
    setError(null);
    void run();
    return () => stop.abort();
  }, [going, round]);

  const anew = () => {
    setJobs([]);
    setSeen({ looked: 0, total: 0, cursor: null, begun: false });
    setRound(round + 1);
    setGoing(true);
  };
  return (
    <>
      {error ? <Broken error={error} retry={anew} /> : null}
      {jobs.length > 0 || !going ? (
        <Table
          {...props}
          jobs={jobs}
          start={0}
          total={null}
          filter={asked}
          words={props.words}
          stale={false}
          onPoint={() => undefined}
          onChanged={anew}
          empty={
            error ? null : (
              <Empty title="No job fits" action={<Button onClick={() => setQuery({ q: null, fingerprint: null })}>Clear the filter</Button>}>
                Looked at {num(seen.looked)} of {plural(seen.total, "job")}
                {state === "any" ? "" : ` that ${seen.total === 1 ? "is" : "are"} ${state.replace("-", " for ")}`}.
              </Empty>
            )
          }
        />
      ) : (
        <Loading rows={8} />
      )}
      <div class="pager" role="status">
        <span class="muted">
          {going && !seen.begun ? "Looking…" : `${plural(jobs.length, "job")} found, looked at ${num(Math.min(seen.looked, Math.max(seen.total, seen.looked)))} of ${num(seen.total)}`}
        </span>
        {going ? (
          <>
            <span class="pager-progress">
              <Progress value={seen.total ? (seen.looked / seen.total) * 100 : 0} label="How far the search is" />
            </span>
            <Button kind="quiet" onClick={() => setGoing(false)}>
              Stop
            </Button>
          </>
        ) : seen.cursor !== null ? (
          <Button onClick={() => setGoing(true)}>Look further</Button>
        ) : null}
      </div>
    </>
  );
}

// ------------------------------------------------------------------------------------------------------- the table

interface TableProps extends Props {
  jobs: JobRow[];
  start: number;
  /** How many there are in all; null if that isn't known. */
  total: number | null;
  filter: Record<string, string>;
  words: string;
  stale: boolean;
  onPoint: (inside: boolean) => void;
  onChanged: () => void;
  empty: JSX.Element | null;
}

function idOf(job: JobRow): string {
  return job.id;
}

function Table(props: TableProps): JSX.Element {
  const { queue, state, jobs, total, onPoint } = props;
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const [all, setAll] = useState(false);
  const anchor = useRef<number | null>(null);
  const body = useRef<HTMLTableSectionElement>(null);
  const actions = actionsFor(state);
  const canPick = may("bulk") && actions.length > 0;

  useEffect(() => {
    held.value = picked.size > 0;
    return () => {
      held.value = false;
    };
  }, [picked.size]);
  useEffect(() => {
    if (jobs.length > 0) lastList.value = { queue, ids: jobs.map(idOf), back: route.value.path + (route.value.query.size ? `?${route.value.query}` : "") };
  }, [jobs, queue]);
  useEffect(() => rowKeys(body), []);

  const clear = () => {
    setPicked(new Set());
    setAll(false);
    anchor.current = null;
  };
  const pick = (at: number, on: boolean, range: boolean) => {
    const chosen = new Set(picked);
    const from = range && anchor.current !== null ? anchor.current : at;
    for (const job of jobs.slice(Math.min(from, at), Math.max(from, at) + 1)) {
      if (on) chosen.add(job.id);
      else chosen.delete(job.id);
    }
    anchor.current = at;
    setAll(false);
    setPicked(chosen);
  };
  const here = jobs.filter((job) => picked.has(job.id)).length;
  const pickPage = (on: boolean) => {
    const chosen = new Set(picked);
    for (const job of jobs) on ? chosen.add(job.id) : chosen.delete(job.id);
    setAll(false);
    setPicked(chosen);
  };
  if (jobs.length === 0) return <div class="card">{props.empty}</div>;
  const columns = COLUMNS[state] ?? COLUMNS["any"] ?? [];
  return (
    <>
      <div class="sheet jobs-sheet">
        <table class="table jobs-table" aria-label="Jobs" aria-busy={props.stale}>
          <thead>
            <tr>
              {canPick ? (
                <th scope="col" class="jobs-pick">
                  <Check label="Select all on this page" on={here === jobs.length} some={here > 0 && here < jobs.length} onChange={pickPage} />
                </th>
              ) : null}
              <th scope="col" class="jobs-job">
                Job
              </th>
              <th scope="col">{state === "failed" ? "Error" : "Data"}</th>
              {columns.map((column) => (
                <th key={column.head} scope="col" class="n" data-size={column.size}>
                  {column.head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody ref={body} onPointerEnter={(event) => event.pointerType === "mouse" && onPoint(true)} onPointerLeave={() => onPoint(false)}>
            {jobs.map((job, at) => (
              <Row key={job.id} {...props} job={job} at={at} picked={picked.has(job.id)} canPick={canPick} columns={columns} onPick={pick} />
            ))}
          </tbody>
        </table>
      </div>
      {picked.size > 0 ? (
        <Selected {...props} picked={[...picked]} all={all} more={total === null ? (props.filter && state !== "any" ? -1 : 0) : total - picked.size} page={here === jobs.length} onAll={() => setAll(true)} onClear={clear} />
      ) : null}
    </>
  );
}

/** j and k go through the rows, x selects one, Enter (a link's own key) opens it. */
function rowKeys(body: { current: HTMLTableSectionElement | null }): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (busyKeys(event)) return;
    const links = [...(body.current?.querySelectorAll<HTMLElement>("a.jobs-link") ?? [])];
    const at = links.findIndex((link) => link.closest("tr")?.contains(document.activeElement));
    if (event.key === "j" || event.key === "k") {
      event.preventDefault();
      links[Math.min(links.length - 1, Math.max(0, at + (event.key === "j" ? 1 : -1)))]?.focus();
    } else if (event.key === "x" && at >= 0) {
      event.preventDefault();
      links[at]?.closest("tr")?.querySelector<HTMLInputElement>("input[type=checkbox]")?.click();
    }
  };
  document.addEventListener("keydown", onKey);
  return () => document.removeEventListener("keydown", onKey);
}

function Check({ label, on, some, onChange }: { label: string; on: boolean; some?: boolean; onChange: (on: boolean, range: boolean) => void }): JSX.Element {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current) box.current.indeterminate = Boolean(some);
  }, [some]);
  return (
    <label class="check">
      <input ref={box} type="checkbox" aria-label={label} checked={on} onClick={(event) => onChange(event.currentTarget.checked, event.shiftKey)} />
    </label>
  );
}

interface Column {
  head: string;
  size?: "wide" | "slim";
  cell: (job: JobRow) => JSX.Element | string;
}

const ran = (job: JobRow) => (job.started !== null && job.finished !== null ? Math.max(0, job.finished - job.started) : null);
const waited = (job: JobRow) => (job.started !== null && job.created !== null ? Math.max(0, job.started - (job.due ?? job.created)) : null);

const added: Column = { head: "Added", cell: (job) => <Time at={job.created} /> };
const attempts: Column = { head: "Attempts", size: "slim", cell: (job) => `${num(job.attempts_made)}/${num(job.attempts)}` };

const COLUMNS: Record<string, Column[]> = {
  waiting: [attempts, added],
  prioritized: [{ head: "Priority", size: "slim", cell: (job) => num(job.priority) }, attempts, added],
  delayed: [attempts, added, { head: "Due", cell: (job) => <Time at={job.due} /> }],
  "waiting-children": [added],
  active: [
    { head: "Progress", cell: (job) => <JobProgress job={job} /> },
    { head: "Worker", size: "wide", cell: (job) => (job.worker ? <span title={job.worker}>{job.worker}</span> : <span class="muted">–</span>) },
    attempts,
    { head: "Runs for", cell: (job) => <Running job={job} /> },
  ],
  completed: [
    { head: "Waited", size: "slim", cell: (job) => <Span ms={waited(job)} /> },
    { head: "Ran", size: "slim", cell: (job) => <Span ms={ran(job)} /> },
    { head: "Finished", cell: (job) => <Time at={job.finished} /> },
  ],
  failed: [attempts, { head: "Ran", size: "slim", cell: (job) => <Span ms={ran(job)} /> }, { head: "Failed", cell: (job) => <Time at={job.finished} /> }],
  any: [
    { head: "State", size: "wide", cell: (job) => <StatePill state={job.state} /> },
    { head: "Added", cell: (job) => <Time at={job.created} /> },
  ],
};

function Running({ job }: { job: JobRow }): JSX.Element {
  void now.value;
  return <Span ms={job.started === null ? null : Math.max(0, serverNow() - job.started)} />;
}

function JobProgress({ job }: { job: JobRow }): JSX.Element {
  if (typeof job.progress !== "number") return <span class="muted">–</span>;
  return (
    <span class="jobs-progress">
      <Progress value={job.progress} label={`Progress of job ${job.id}`} /> {num(Math.round(job.progress))}%
    </span>
  );
}

function actionsFor(state: string): BulkAction[] {
  return (["retry", "promote", "remove"] as const).filter((action) => may(action) && canBe(action, state) && state !== "any");
}

interface RowProps extends TableProps {
  job: JobRow;
  at: number;
  picked: boolean;
  canPick: boolean;
  columns: Column[];
  onPick: (at: number, on: boolean, range: boolean) => void;
}

function Row({ queue, state, job, at, start, total, picked, canPick, columns, onPick, onChanged }: RowProps): JSX.Element {
  const order = route.value.query.get("order");
  const to = toJob(queue, job.id, total === null ? { state: job.state } : { state, at: start + at, order });
  const act = async (action: string) => {
    if (await perform(() => post<Done>(`/queues/${part(queue)}/job/${action}`, { id: job.id }))) onChanged();
  };
  return (
    <tr data-picked={picked}>
      {canPick ? (
        <td class="jobs-pick">
          <Check label={`Select job ${job.id}`} on={picked} onChange={(on, range) => onPick(at, on, range)} />
        </td>
      ) : null}
      <th scope="row" class="jobs-job">
        <span class="jobs-name">
          <Link to={to} class="jobs-link" title={job.name}>
            <Visible text={job.name || "(no name)"} />
          </Link>
          <Marks job={job} />
        </span>
        <span class="jobs-id mono" title={job.id}>
          {middle(job.id, 22)}
        </span>
      </th>
      <td class="jobs-what">
        {job.damaged ? (
          <span class="jobs-error">Can’t be read: {job.damaged}</span>
        ) : job.failed_reason && (state === "failed" || job.state === "failed") ? (
          <span class="jobs-error" title={job.failed_reason}>
            <Visible text={job.failed_reason} />
          </span>
        ) : (
          <span class="jobs-preview mono" title={job.preview}>
            <Visible text={job.preview} />
          </span>
        )}
      </td>
      {columns.map((column, place) => (
        <td key={column.head} class="n" data-label={column.head} data-size={column.size}>
          {column.cell(job)}
          {place === columns.length - 1 ? (
            <span class="jobs-acts">
              {may("retry") && canBe("retry", job.state) ? <IconButton icon="retry" label={`Retry job ${job.id}`} onClick={() => void act("retry")} /> : null}
              {may("promote") && canBe("promote", job.state) ? <IconButton icon="play" label={`Promote job ${job.id}`} onClick={() => void act("promote")} /> : null}
            </span>
          ) : null}
        </td>
      ))}
    </tr>
  );
}

function Marks({ job }: { job: JobRow }): JSX.Element {
  return (
    <>
      {job.priority > 0 ? (
        <span class="badge" title={`Priority ${job.priority}: lower runs sooner`}>
          p{num(job.priority)}
        </span>
      ) : null}
      {job.stalled > 0 ? (
        <span class="badge" data-kind="warn" title="Its worker was lost while it ran">
          stalled {num(job.stalled)}×
        </span>
      ) : null}
      {job.scheduler ? (
        <span class="jobs-mark" title={`By the scheduler ${job.scheduler}`}>
          <Icon name="schedulers" size={13} />
          <span class="sr">by the scheduler {job.scheduler}</span>
        </span>
      ) : null}
      {job.has_parent ? (
        <span class="jobs-mark" title="Part of a flow">
          <Icon name="flow" size={13} />
          <span class="sr">part of a flow</span>
        </span>
      ) : null}
    </>
  );
}

// -------------------------------------------------------------------------------------------------- what is selected

const VERBS: Record<BulkAction, string> = { retry: "Retry", promote: "Promote", remove: "Remove" };
const MOST_IDS = 1000;

interface SelectedProps extends TableProps {
  picked: string[];
  all: boolean;
  /** How many further jobs fit; −1 if that isn't known, 0 if there are none. */
  more: number;
  page: boolean;
  onAll: () => void;
  onClear: () => void;
}

function Selected({ queue, state, picked, all, more, page, total, filter, words, onAll, onClear, onChanged }: SelectedProps): JSX.Element {
  const [action, setAction] = useState<BulkAction | null>(null);
  const begin = (wanted: BulkAction) => {
    if (!all && picked.length > MOST_IDS) toast(`At most ${num(MOST_IDS)} can be chosen one by one. Select all that match instead.`, { kind: "bad" });
    else setAction(wanted);
  };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !busyKeys(event)) onClear();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
  return (
    <>
      <div class="picked" role="toolbar" aria-label="Selected jobs">
        <span class="picked-count" role="status">
          {all ? (total === null ? "All that match" : `All ${num(total)} selected`) : `${num(picked.length)} selected`}
        </span>
        {!all && page && more !== 0 ? (
          <Button kind="quiet" onClick={onAll}>
            {total === null ? "Select all that match" : `Select all ${num(total)} that match`}
          </Button>
        ) : null}
        <span class="picked-gap" />
        {actionsFor(state).map((one) => (
          <Button key={one} icon={one === "retry" ? "retry" : one === "promote" ? "play" : "trash"} onClick={() => begin(one)}>
            {VERBS[one]}
          </Button>
        ))}
        <IconButton icon="close" label="Clear selection" onClick={onClear} />
      </div>
      {action ? (
        <BulkDialog
          queue={queue}
          action={action}
          chosen={all ? { state, filter, words } : { ids: picked, filter: {}, words: "" }}
          onClose={(begun: boolean) => {
            setAction(null);
            if (!begun) return;
            onClear();
            onChanged();
          }}
        />
      ) : null}
    </>
  );
}
