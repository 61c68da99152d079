/** The columns that a list of jobs can have. */

import type { JSX } from "preact";
import { useEffect } from "preact/hooks";

import { serverNow } from "../api";
import { Visible } from "../components/Visible";
import { chosen, usual, written } from "../lib/columns";
import { num } from "../lib/format";
import { now } from "../live";
import { route, setQuery } from "../router";
import type { JobRow } from "../shapes";
import { remembered, stored } from "../state";
import { Progress, Span, StatePill, Time } from "../ui";

export interface Column {
  id: string;
  /** What it is called where it can be chosen. */
  word: string;
  /** Its heading, if that is another one. */
  head?: (state: string) => string;
  /** `fill` takes the room that the others leave. */
  size?: "wide" | "slim" | "fill";
  cell: (job: JobRow) => JSX.Element | string;
}

const dash = <span class="muted">–</span>;
const length = (from: number | null, to: number | null) => (from !== null && to !== null ? Math.max(0, to - from) : null);

export const COLUMNS: readonly Column[] = [
  { id: "data", word: "Data", size: "fill", cell: (job) => <Preview job={job} /> },
  { id: "error", word: "Error", size: "fill", cell: (job) => <Reason job={job} /> },
  { id: "about", word: "Data or error", head: () => "Data", size: "fill", cell: (job) => (job.failed_reason && job.state === "failed" ? <Reason job={job} /> : <Preview job={job} />) },
  { id: "state", word: "State", size: "wide", cell: (job) => <StatePill state={job.state} /> },
  { id: "priority", word: "Priority", size: "slim", cell: (job) => (job.priority > 0 ? num(job.priority) : dash) },
  { id: "progress", word: "Progress", cell: (job) => <JobProgress job={job} /> },
  { id: "worker", word: "Worker", size: "wide", cell: (job) => (job.worker ? <span title={job.worker}>{job.worker}</span> : dash) },
  { id: "scheduler", word: "Scheduler", size: "wide", cell: (job) => (job.scheduler ? <span title={job.scheduler}>{job.scheduler}</span> : dash) },
  { id: "attempts", word: "Attempts", size: "slim", cell: (job) => `${num(job.attempts_made)}/${num(job.attempts)}` },
  { id: "stalled", word: "Stalled", size: "slim", cell: (job) => (job.stalled > 0 ? `${num(job.stalled)}×` : dash) },
  { id: "added", word: "Added", cell: (job) => <Time at={job.created} /> },
  { id: "due", word: "Due", cell: (job) => <Time at={job.due} /> },
  { id: "started", word: "Started", cell: (job) => <Time at={job.started} /> },
  { id: "waited", word: "Waited", size: "slim", cell: (job) => <Span ms={length(job.due ?? job.created, job.started)} /> },
  { id: "ran", word: "Ran", size: "slim", cell: (job) => <Span ms={length(job.started, job.finished)} /> },
  { id: "took", word: "In all", size: "slim", cell: (job) => <Span ms={length(job.created, job.finished)} /> },
  { id: "runs", word: "Runs for", cell: (job) => <Running job={job} /> },
  { id: "finished", word: "Finished", head: (state) => (state === "failed" ? "Failed" : "Finished"), cell: (job) => <Time at={job.finished} /> },
];

/** Rows as they were, or with twice as many on a screen. */
export const density = remembered("rows", ["roomy", "dense"] as const, "roomy");

/** The columns last chosen for each state. */
const last = stored<Record<string, string>>("columns", {}, (value): value is Record<string, string> => typeof value === "object" && value !== null && Object.values(value).every((one) => typeof one === "string"));

/** The ids of the columns that are shown. */
export function shownIds(state: string): readonly string[] {
  return chosen(route.value.query.get("cols"), state);
}

export function shownColumns(state: string): Column[] {
  return shownIds(state).flatMap((id) => COLUMNS.find((column) => column.id === id) ?? []);
}

/** Show these from now on: here, and whenever this state is looked at in this browser. */
export function showColumns(state: string, ids: readonly string[]): void {
  const text = written(ids, state);
  const { [state]: _, ...others } = last.value;
  last.value = text === null ? others : { ...others, [state]: text };
  setQuery({ cols: text }, { replace: true });
}

/** What was chosen before goes into the address, so that a link shows the same to others. */
export function useRememberedColumns(state: string): void {
  const named = route.value.query.get("cols");
  useEffect(() => {
    const before = Object.hasOwn(last.value, state) ? last.value[state] : undefined;
    if (named === null && before && written(chosen(before, state), state)) setQuery({ cols: before }, { replace: true });
  }, [state, named]);
}

export { usual };

function Preview({ job }: { job: JobRow }): JSX.Element {
  if (job.damaged) return <span class="jobs-error">Can’t be read: {job.damaged}</span>;
  return (
    <span class="jobs-preview mono" title={job.preview}>
      <Visible text={job.preview} />
    </span>
  );
}

function Reason({ job }: { job: JobRow }): JSX.Element {
  if (job.damaged || !job.failed_reason) return job.damaged ? <Preview job={job} /> : dash;
  return (
    <span class="jobs-error" title={job.failed_reason}>
      <Visible text={job.failed_reason} />
    </span>
  );
}

function Running({ job }: { job: JobRow }): JSX.Element {
  void now.value;
  return <Span ms={job.started === null ? null : Math.max(0, serverNow() - job.started)} />;
}

function JobProgress({ job }: { job: JobRow }): JSX.Element {
  if (typeof job.progress !== "number") return dash;
  return (
    <span class="jobs-progress">
      <Progress value={job.progress} label={`Progress of job ${job.id}`} /> {num(Math.round(job.progress))}%
    </span>
  );
}
