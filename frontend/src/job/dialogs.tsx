/** Questions about a job: its data, delay, priority; to stop it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { ApiError, part, post, serverNow } from "../api";
import { Dialog } from "../components/Dialog";
import { FormDialog } from "../components/FormDialog";
import { JsonEditor } from "../components/JsonEditor";
import { read, said, send, whole } from "../forms";
import { type Json, stringify } from "../lib/exact";
import { readDuration, readMoment } from "../lib/time";
import type { Done, JobDetail } from "../shapes";
import { zone } from "../state";
import { Banner, Button, Field, perform, Time } from "../ui";
import { performUndoably } from "../undo";

interface EditProps {
  job: JobDetail;
  /** Its data as they are stored, nothing masked. */
  data: unknown;
  /** Whether something of them is hidden unless it is asked for. */
  secret: boolean;
  retry: boolean;
  onClose: () => void;
}

/** Change a job's data; a failed one can run again with them. */
export function EditData({ job, data, secret, retry, onClose }: EditProps): JSX.Element {
  const [text, setText] = useState(stringify(data as Json, 2));
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const { value, flaw } = read(text);
  const save = async (again: boolean) => {
    setBusy(true);
    try {
      const path = `/queues/${part(job.queue)}/job/${again ? "retry" : "data"}`;
      const done = await send(path, { id: job.id, data: value, was: data as Json });
      await performUndoably(
        () => Promise.resolve(done),
        again ? null : () => send(path, { id: job.id, data: data as Json, was: value }),
      );
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
      {secret ? <Banner kind="warn">What is usually hidden is in here as it is stored.</Banner> : null}
      <JsonEditor text={text} onInput={setText} label="Data" rows={16} />
    </Dialog>
  );
}

/** When a text means, as a length of time from now or as a moment; null if it means none. */
function moment(text: string): { at: number; delay: number | null } | null {
  const delay = text.trim() ? readDuration(text) : null;
  if (delay !== null) return { at: serverNow() + delay, delay };
  const at = text.trim() ? readMoment(text, serverNow(), zone.value) : null;
  return at === null ? null : { at, delay: null };
}

export function ChangeDelay({ job, onClose }: { job: JobDetail; onClose: () => void }): JSX.Element {
  const [text, setText] = useState("");
  const wanted = moment(text);
  const save = async () => {
    if (!wanted) return;
    const path = `/queues/${part(job.queue)}/job/delay`;
    const body = wanted.delay === null ? { at: wanted.at } : { delay: wanted.delay };
    const before = job.due;
    const undo = before === null ? null : () => post<Done>(path, { id: job.id, at: before });
    if (await performUndoably(() => post<Done>(path, { id: job.id, ...body }), undo)) onClose();
  };
  return (
    <FormDialog title="Change delay" verb="Change delay" ready={wanted !== null} onSave={() => void save()} onClose={onClose}>
      <p>
        It is due <Time at={job.due} />.
      </p>
      <Field label="Run in, or at" hint="Such as 30s, 2h, or 2026-12-24 18:00" error={text.trim() && !wanted ? "Neither a length of time nor a date" : null}>
        {({ id, describedBy, invalid }) => <input id={id} class="input" data-first value={text} aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setText(event.currentTarget.value)} />}
      </Field>
      {wanted ? (
        <p class="muted">
          <Time at={wanted.at} full />
        </p>
      ) : null}
    </FormDialog>
  );
}

const MOST_PRIORITY = 2_097_151;

export function ChangePriority({ job, onClose }: { job: JobDetail; onClose: () => void }): JSX.Element {
  const [text, setText] = useState(String(job.priority));
  const good = text.trim() !== "" && whole(text) && Number(text) <= MOST_PRIORITY;
  const set = (priority: number) => post<Done>(`/queues/${part(job.queue)}/job/priority`, { id: job.id, priority });
  const save = async () => {
    if (await performUndoably(() => set(Number(text)), () => set(job.priority))) onClose();
  };
  return (
    <FormDialog title="Change priority" verb="Change priority" ready={good} onSave={() => void save()} onClose={onClose}>
      <Field label="Priority" hint="1 runs before 2. 0 is none, and runs before all others." error={good ? null : "A whole number from 0 to 2,097,151"}>
        {({ id, describedBy, invalid }) => <input id={id} class="input" inputMode="numeric" data-first value={text} aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setText(event.currentTarget.value)} />}
      </Field>
    </FormDialog>
  );
}

/** Ask its worker to stop a job that runs. */
export function CancelJob({ job, onClose }: { job: Pick<JobDetail, "queue" | "id" | "worker">; onClose: () => void }): JSX.Element {
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string | null>(null);
  const save = async () => {
    setBusy(true);
    const why = reason.trim();
    try {
      const done = await post<Done>(`/queues/${part(job.queue)}/job/cancel`, { id: job.id, ...(why ? { reason: why } : {}) });
      await perform(() => Promise.resolve(done));
      onClose();
    } catch (problem) {
      setError(said(problem));
      setBusy(false);
    }
  };
  return (
    <FormDialog title="Cancel this job?" verb="Cancel 1 job" cancel="Let it run" danger ready={!busy} onSave={() => void save()} onClose={onClose}>
      {error ? <Banner kind="bad">{error}</Banner> : null}
      <p>
        Its worker{job.worker ? ` ${job.worker}` : ""} is asked to stop it. What it has done so far stays done, and the job fails for good. Workers of BullMQ for Node can’t be asked.
      </p>
      <Field label="Reason" hint="Shown with the failure; may be left empty">
        {({ id, describedBy }) => <input id={id} class="input" data-first value={reason} maxLength={200} autocomplete="off" aria-describedby={describedBy} onInput={(event) => setReason(event.currentTarget.value)} />}
      </Field>
    </FormDialog>
  );
}
