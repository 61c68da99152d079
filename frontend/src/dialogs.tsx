/** Forms and questions over a page; loaded when the first of them is opened. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { ApiError, part, post } from "./api";
import { Dialog } from "./components/Dialog";
import { JsonEditor } from "./components/JsonEditor";
import { type Json, parse, stringify } from "./lib/exact";
import { num, plural } from "./lib/format";
import { readDuration, readMoment, writeDuration } from "./lib/time";
import type { BulkAction, Chosen } from "./list";
import { serverNow } from "./api";
import { go, toJob } from "./router";
import type { Done, JobDetail, Preview, QueueDetail, Task } from "./shapes";
import { tasks } from "./state";
import { total } from "./states";
import { Banner, Button, Field, Loading, perform, Time } from "./ui";

function said(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is in an editor, or why it can't be read. */
function read(text: string): { value?: Json; flaw?: string } {
  try {
    return { value: parse(text) };
  } catch {
    return { flaw: "This is no JSON yet." };
  }
}

/** Send a body in which numbers stay as they were written. */
function send(path: string, body: Record<string, Json | undefined>): Promise<Done> {
  return post<Done>(path, body);
}

// ------------------------------------------------------------------------------------------------------------- bulk

const VERBS: Record<BulkAction, { verb: string; after: string }> = {
  retry: { verb: "Retry", after: "They run again with the data they have." },
  promote: { verb: "Promote", after: "They run as soon as workers are free, not when they are due." },
  remove: { verb: "Remove", after: "They are gone then, with their data, logs and children. This can’t be undone." },
};

interface BulkProps {
  queue: string;
  action: BulkAction;
  chosen: Chosen;
  onClose: (begun: boolean) => void;
}

/** What a bulk action would do, counted by the server, before it is begun. */
export function BulkDialog({ queue, action, chosen, onClose }: BulkProps): JSX.Element {
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { verb, after } = VERBS[action];
  const body = chosen.ids ? { action, ids: chosen.ids } : { action, state: chosen.state, ...chosen.filter };
  useEffect(() => {
    post<Preview>(`/queues/${part(queue)}/bulk/preview`, body).then(setPreview, (problem: unknown) => setError(said(problem)));
  }, []);
  const jobs = preview ? `${preview.exact ? "" : "at least "}${plural(preview.count, "job")}` : "jobs";
  const begin = async () => {
    setBusy(true);
    try {
      const task = await post<Task>(`/queues/${part(queue)}/bulk`, body);
      tasks.value = [...tasks.value, task.id];
      onClose(true);
    } catch (problem) {
      setError(said(problem));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={`${verb} ${jobs}`}
      onClose={() => onClose(false)}
      footer={
        <>
          <Button onClick={() => onClose(false)}>Cancel</Button>
          <Button kind={action === "remove" ? "danger" : "primary"} busy={busy} disabled={!preview || preview.count === 0} onClick={() => void begin()}>
            {`${verb} ${jobs}`}
          </Button>
        </>
      }
    >
      {error ? <Banner kind="bad">{error}</Banner> : null}
      {preview ? (
        <>
          <p>{preview.count === 0 ? "None of these jobs is there (any more)." : after}</p>
          <dl class="facts bulk-facts">
            <dt>Queue</dt>
            <dd>{queue}</dd>
            {chosen.state ? (
              <>
                <dt>Which</dt>
                <dd>
                  all that are {chosen.state.replace("-", " for ")}
                  {chosen.words ? (
                    <>
                      {" "}
                      and fit <span class="mono">{chosen.words}</span>
                    </>
                  ) : null}
                </dd>
              </>
            ) : (
              <>
                <dt>Which</dt>
                <dd>the {plural(chosen.ids?.length ?? 0, "job")} you selected</dd>
              </>
            )}
            <dt>Oldest</dt>
            <dd>
              <Time at={preview.oldest} />
            </dd>
            <dt>Newest</dt>
            <dd>
              <Time at={preview.newest} />
            </dd>
            <dt>Such as</dt>
            <dd>
              {preview.samples.map((job) => (
                <span key={job.id} class="bulk-sample">
                  {job.name} <span class="mono muted">{job.id}</span>
                </span>
              ))}
            </dd>
          </dl>
          {preview.exact ? null : <p class="muted">There are too many to count them all at once. The action goes on until it has seen each of them.</p>}
        </>
      ) : error ? null : (
        <Loading rows={4} />
      )}
    </Dialog>
  );
}

// ---------------------------------------------------------------------------------------------------------- add a job

interface AddProps {
  queue: string;
  name?: string;
  data?: unknown;
  /** Of the job that this one is like. */
  options?: unknown;
  like?: string;
  onClose: () => void;
}

function ownOptions(given: unknown): Record<string, Json> {
  const own = { ...((given ?? {}) as Record<string, Json>) };
  for (const name of ["jobId", "parent", "repeat", "repeatJobKey", "prevMillis", "de", "deduplication", "timestamp"]) delete own[name];
  return own;
}

export function AddJob({ queue, name: firstName = "", data, options, like, onClose }: AddProps): JSX.Element {
  const kept = ownOptions(options);
  const [name, setName] = useState(firstName);
  const [text, setText] = useState(stringify((data ?? {}) as Json, 2));
  const [delay, setDelay] = useState(typeof kept["delay"] === "number" && kept["delay"] > 0 ? writeDuration(kept["delay"]) : "");
  const [priority, setPriority] = useState(kept["priority"] ? String(kept["priority"]) : "");
  const [attempts, setAttempts] = useState(kept["attempts"] ? String(kept["attempts"]) : "");
  const [id, setId] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { value, flaw } = read(text);
  const wait = delay.trim() ? readDuration(delay) : 0;
  const bad = !name.trim() || flaw !== undefined || wait === null || !whole(priority) || !whole(attempts);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (bad) return;
    setBusy(true);
    const wanted: Record<string, Json> = { ...kept };
    for (const [key, given] of [["delay", wait ?? 0], ["priority", Number(priority)], ["attempts", Number(attempts)]] as const) {
      if (given > 0) wanted[key] = given;
      else delete wanted[key];
    }
    if (id.trim()) wanted["jobId"] = id.trim();
    try {
      const done = await send(`/queues/${part(queue)}/add`, { name: name.trim(), data: value, options: wanted });
      await perform(() => Promise.resolve(done));
      onClose();
      if (done.id && like) go(toJob(queue, done.id));
    } catch (problem) {
      setError(said(problem));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={like ? `Duplicate job ${like}` : `Add a job to ${queue}`}
      size="wide"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <button class="button" data-kind="primary" type="submit" form="add-job" disabled={bad || busy}>
            Add job
          </button>
        </>
      }
    >
      <form id="add-job" class="form" onSubmit={(event) => void submit(event)}>
        {error ? <Banner kind="bad">{error}</Banner> : null}
        <Field label="Name">{({ id: own }) => <input id={own} class="input" data-first value={name} required autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        <div>
          <p class="label">Data</p>
          <JsonEditor text={text} onInput={setText} label="Data" rows={10} />
        </div>
        <div class="fields-2">
          <Field label="Delay" hint="Such as 30s or 2h" error={wait === null ? "No length of time" : null}>
            {({ id: own, describedBy }) => <input id={own} class="input" value={delay} placeholder="none" aria-describedby={describedBy} onInput={(event) => setDelay(event.currentTarget.value)} />}
          </Field>
          <Field label="Priority" hint="1 runs before 2; none runs before all" error={whole(priority) ? null : "A whole number"}>
            {({ id: own, describedBy }) => <input id={own} class="input" inputMode="numeric" value={priority} placeholder="none" aria-describedby={describedBy} onInput={(event) => setPriority(event.currentTarget.value)} />}
          </Field>
          <Field label="Attempts" error={whole(attempts) ? null : "A whole number"}>
            {({ id: own, describedBy }) => <input id={own} class="input" inputMode="numeric" value={attempts} placeholder="1" aria-describedby={describedBy} onInput={(event) => setAttempts(event.currentTarget.value)} />}
          </Field>
          <Field label="Id" hint="A second job of the same id is not added">
            {({ id: own, describedBy }) => <input id={own} class="input" value={id} placeholder="by itself" autocomplete="off" aria-describedby={describedBy} onInput={(event) => setId(event.currentTarget.value)} />}
          </Field>
        </div>
      </form>
    </Dialog>
  );
}

function whole(text: string): boolean {
  return /^\d{0,9}$/.test(text.trim());
}

// ------------------------------------------------------------------------------------------------------- edit a job

/** Change a job's data; a failed one can run again with them. */
export function EditData({ job, retry, onClose }: { job: JobDetail; retry: boolean; onClose: () => void }): JSX.Element {
  const [text, setText] = useState(stringify(job.data as Json, 2));
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { value, flaw } = read(text);
  const save = async (again: boolean) => {
    setBusy(true);
    try {
      const path = `/queues/${part(job.queue)}/job/${again ? "retry" : "data"}`;
      const body = again ? { id: job.id, data: value } : { id: job.id, data: value, was: job.data as Json };
      const done = await send(path, body);
      await perform(() => Promise.resolve(done));
      onClose();
    } catch (problem) {
      setError(problem instanceof ApiError && problem.error === "conflict" ? "Somebody else has changed the data meanwhile. Close this and look again." : said(problem));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={`Data of job ${job.id}`}
      size="wide"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind={retry ? "plain" : "primary"} busy={busy} disabled={flaw !== undefined} onClick={() => void save(false)}>
            Save data
          </Button>
          {retry ? (
            <Button kind="primary" busy={busy} disabled={flaw !== undefined} onClick={() => void save(true)}>
              Save and retry
            </Button>
          ) : null}
        </>
      }
    >
      {error ? <Banner kind="bad">{error}</Banner> : null}
      <JsonEditor text={text} onInput={setText} label="Data" rows={16} />
    </Dialog>
  );
}

export function ChangeDelay({ job, onClose }: { job: JobDetail; onClose: () => void }): JSX.Element {
  const [text, setText] = useState("");
  const moment = text.trim() ? (readDuration(text) ?? null) : null;
  const at = moment !== null ? serverNow() + moment : text.trim() ? readMoment(text, serverNow()) : null;
  const save = async (event: Event) => {
    event.preventDefault();
    if (at === null) return;
    const body = moment !== null ? { id: job.id, delay: moment } : { id: job.id, at };
    if (await perform(() => post<Done>(`/queues/${part(job.queue)}/job/delay`, body))) onClose();
  };
  return (
    <Dialog
      title="Change delay"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <button class="button" data-kind="primary" type="submit" form="change-delay" disabled={at === null}>
            Change delay
          </button>
        </>
      }
    >
      <form id="change-delay" class="form" onSubmit={(event) => void save(event)}>
        <p>
          It is due <Time at={job.due} />.
        </p>
        <Field label="Run in, or at" hint="Such as 30s, 2h, or 2026-12-24 18:00" error={text.trim() && at === null ? "Neither a length of time nor a date" : null}>
          {({ id, describedBy, invalid }) => <input id={id} class="input" data-first value={text} aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setText(event.currentTarget.value)} />}
        </Field>
        {at !== null ? (
          <p class="muted">
            <Time at={at} full />
          </p>
        ) : null}
      </form>
    </Dialog>
  );
}

export function ChangePriority({ job, onClose }: { job: JobDetail; onClose: () => void }): JSX.Element {
  const [text, setText] = useState(String(job.priority));
  const good = text.trim() !== "" && whole(text) && Number(text) <= 2_097_151;
  const save = async (event: Event) => {
    event.preventDefault();
    if (good && (await perform(() => post<Done>(`/queues/${part(job.queue)}/job/priority`, { id: job.id, priority: Number(text) })))) onClose();
  };
  return (
    <Dialog
      title="Change priority"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <button class="button" data-kind="primary" type="submit" form="change-priority" disabled={!good}>
            Change priority
          </button>
        </>
      }
    >
      <form id="change-priority" class="form" onSubmit={(event) => void save(event)}>
        <Field label="Priority" hint="1 runs before 2. 0 is none, and runs before all others." error={good ? null : "A whole number from 0 to 2,097,151"}>
          {({ id, describedBy, invalid }) => <input id={id} class="input" inputMode="numeric" data-first value={text} aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setText(event.currentTarget.value)} />}
        </Field>
      </form>
    </Dialog>
  );
}

// ---------------------------------------------------------------------------------------------------------- a queue

export function Limits({ row, onClose }: { row: QueueDetail; onClose: () => void }): JSX.Element {
  const [most, setMost] = useState(row.concurrency === null ? "" : String(row.concurrency));
  const [max, setMax] = useState(row.rate_limit ? String(row.rate_limit.max) : "");
  const [time, setTime] = useState(row.rate_limit ? writeDuration(row.rate_limit.duration) : "");
  const duration = time.trim() ? readDuration(time) : null;
  const paired = Boolean(max.trim()) === Boolean(time.trim());
  const good = whole(most) && most.trim() !== "0" && whole(max) && max.trim() !== "0" && paired && (!time.trim() || (duration !== null && duration > 0));
  const path = `/queues/${part(row.name)}/limits`;
  const save = async (event: Event) => {
    event.preventDefault();
    if (!good) return;
    const body = { concurrency: most.trim() ? Number(most) : null, rate_limit: max.trim() ? { max: Number(max), duration } : null };
    if (await perform(() => post<Done>(path, body))) onClose();
  };
  return (
    <Dialog
      title={`Limits of ${row.name}`}
      onClose={onClose}
      footer={
        <>
          {row.rate_limited_for > 0 ? <Button onClick={() => void perform(() => post<Done>(path, { release: true })).then((done) => done && onClose())}>Go on at once</Button> : null}
          <Button onClick={onClose}>Cancel</Button>
          <button class="button" data-kind="primary" type="submit" form="limits" disabled={!good}>
            Save limits
          </button>
        </>
      }
    >
      <form id="limits" class="form" onSubmit={(event) => void save(event)}>
        <Field label="Jobs at once" hint="All workers together. Empty: no limit." error={whole(most) && most.trim() !== "0" ? null : "A whole number, 1 or more"}>
          {({ id, describedBy }) => <input id={id} class="input" inputMode="numeric" data-first placeholder="no limit" value={most} aria-describedby={describedBy} onInput={(event) => setMost(event.currentTarget.value)} />}
        </Field>
        <div class="fields-2">
          <Field label="At most so many jobs" hint="Empty: no limit" error={whole(max) && max.trim() !== "0" ? null : "A whole number, 1 or more"}>
            {({ id, describedBy }) => <input id={id} class="input" inputMode="numeric" placeholder="no limit" value={max} aria-describedby={describedBy} onInput={(event) => setMax(event.currentTarget.value)} />}
          </Field>
          <Field label="in this time" hint="Such as 1s or 1m" error={!paired ? "Both, or none of the two" : time.trim() && !duration ? "No length of time" : null}>
            {({ id, describedBy }) => <input id={id} class="input" value={time} aria-describedby={describedBy} onInput={(event) => setTime(event.currentTarget.value)} />}
          </Field>
        </div>
      </form>
    </Dialog>
  );
}

/** Drain or obliterate: what is lost, and the queue's name to be typed. */
export function EmptyQueue({ row, how, onClose }: { row: QueueDetail; how: "drain" | "obliterate"; onClose: () => void }): JSX.Element {
  const [typed, setTyped] = useState("");
  const [also, setAlso] = useState(false);
  const [busy, setBusy] = useState(false);
  const { counts } = row;
  const drain = how === "drain";
  const count = drain ? counts.waiting + counts.prioritized + (also ? counts.delayed : 0) : total(counts);
  const words = drain ? `Remove ${plural(count, "job")}` : `Erase the queue and ${plural(count, "job")}`;
  const blocked = !drain && !row.paused ? "Pause the queue first, so that nothing starts meanwhile." : null;
  const ready = typed === row.name && !blocked && !(counts.active > 0 && !drain && !also);
  const save = async (event: Event) => {
    event.preventDefault();
    if (!ready) return;
    setBusy(true);
    const body = drain ? { confirm: typed, delayed: also } : { confirm: typed, force: also };
    const done = await perform(() => post<Done>(`/queues/${part(row.name)}/${how}`, body));
    setBusy(false);
    if (!done) return;
    onClose();
    if (!drain) go("/");
  };
  return (
    <Dialog
      title={drain ? `Drain ${row.name}` : `Obliterate ${row.name}`}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <button class="button" data-kind="danger" type="submit" form="empty-queue" disabled={!ready || busy}>
            {words}
          </button>
        </>
      }
    >
      <form id="empty-queue" class="form" onSubmit={(event) => void save(event)}>
        {blocked ? <Banner kind="warn">{blocked}</Banner> : null}
        <p>
          {drain
            ? "All jobs that wait are removed with their data. Active, completed and failed jobs stay. This can’t be undone."
            : "Everything of this queue is erased: jobs in all states, schedulers, limits, counters and events. This can’t be undone."}
        </p>
        {drain && counts.delayed > 0 ? (
          <label class="tick">
            <input type="checkbox" checked={also} onChange={(event) => setAlso(event.currentTarget.checked)} /> Also remove the {plural(counts.delayed, "delayed job")}
          </label>
        ) : null}
        {!drain && counts.active > 0 ? (
          <label class="tick">
            <input type="checkbox" checked={also} onChange={(event) => setAlso(event.currentTarget.checked)} /> Although {num(counts.active)} {counts.active === 1 ? "is" : "are"} active: their workers will fail to finish them
          </label>
        ) : null}
        <Field label={`Type ${row.name} to confirm`}>{({ id }) => <input id={id} class="input mono" data-first value={typed} autocomplete="off" spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />}</Field>
      </form>
    </Dialog>
  );
}
