/** Make a scheduler, or change one: only what was changed is sent. */

import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";

import { ApiError, part, post, refreshAll } from "../api";
import { Dialog } from "../components/Dialog";
import { JsonEditor } from "../components/JsonEditor";
import { toast } from "../components/Toast";
import { flaw, type Json, parse, stringify } from "../lib/exact";
import { fieldTime, here, readDuration, readMoment, writeDuration } from "../lib/time";
import type { Done, SchedulerRow } from "../shapes";
import { queueNames, zone } from "../state";
import { Banner, Button, Field } from "../ui";
import { QueueChoice } from "./choice";

const MASK = "•••";
const OVERLAPS: [string, string][] = [
  ["allow", "start the next one too"],
  ["skip", "skip the next one"],
];
const MISSED: [string, string][] = [
  ["once", "run once, late"],
  ["skip", "wait for the next time"],
  ["all", "run each of them"],
];

export function SchedulerDialog({ scheduler, queue, onClose }: { scheduler: SchedulerRow | null; queue: string | null; onClose: () => void }): JSX.Element {
  const form = useId();
  const before = useState(() => start(scheduler, queue))[0];
  const [now, setNow] = useState(before);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<string | null>(null);
  const [tried, setTried] = useState(false);
  const wrong = problems(now);
  const masked = before.data.includes(MASK) || before.options.includes(MASK);
  const set = (changes: Partial<Form>) => {
    setRefused(null);
    setNow({ ...now, ...changes });
  };
  const said = (name: keyof Form) => (tried ? (wrong[name] ?? null) : null);

  const save = async (event: Event) => {
    event.preventDefault();
    setTried(true);
    if (busy || Object.keys(wrong).length) return;
    setBusy(true);
    try {
      const done = await post<Done>(`/queues/${part(now.queue)}/scheduler`, body(before, now, scheduler === null));
      toast(done.text, { kind: "good" });
      refreshAll();
      onClose();
    } catch (error) {
      setRefused(error instanceof ApiError ? error.message : String(error));
      setBusy(false);
    }
  };

  return (
    <Dialog
      title={scheduler ? `Edit ${scheduler.id}` : "New scheduler"}
      size="wide"
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <button type="submit" form={form} class="button" data-kind="primary" disabled={busy} aria-busy={busy}>
            {scheduler ? "Save changes" : "Make scheduler"}
          </button>
        </>
      }
    >
      <form id={form} class="form" noValidate onSubmit={(event) => void save(event)}>
        {refused ? <Banner kind="bad">{refused}</Banner> : null}
        {scheduler ? null : (
          <div class="fields-2">
            <div class="field">
              <span class="label">Queue</span>
              <QueueChoice chosen={now.queue} all={null} onChoose={(name) => set({ queue: name ?? now.queue })} />
            </div>
            <Text label="Id" hint="Names the series; the same id changes it." error={said("id")} value={now.id} onInput={(id) => set({ id })} />
          </div>
        )}
        <Text label="Name of its jobs" hint="The id, if empty." value={now.name} error={said("name")} onInput={(name) => set({ name })} />
        <fieldset class="choices">
          <legend class="label">When it runs</legend>
          <div class="choices-row">
            {(["cron", "every"] as const).map((kind) => (
              <label key={kind} class="tick">
                <input type="radio" name={`${form}-kind`} checked={now.kind === kind} onChange={() => set({ kind })} />
                {kind === "cron" ? "At times of the calendar" : "After each interval"}
              </label>
            ))}
          </div>
        </fieldset>
        {now.kind === "cron" ? (
          <div class="fields-2">
            <Text label="Pattern" mono hint="minute hour day month weekday, seconds may come first" value={now.cron} error={said("cron")} onInput={(cron) => set({ cron })} />
            <Text label="Zone" hint={now.tz && now.tz !== here() ? `You are in ${here()}.` : undefined} value={now.tz} error={said("tz")} list={ZONES} onInput={(tz) => set({ tz })} />
          </div>
        ) : (
          <div class="fields-2">
            <Text label="Interval" hint="Such as 30s, 15m or 1h 30m." value={now.every} error={said("every")} onInput={(every) => set({ every })} />
            <Text label="Offset" hint="Shifts all runs by so much." value={now.offset} error={said("offset")} onInput={(offset) => set({ offset })} />
          </div>
        )}
        <div class="fields-2">
          <Text label="Not before" hint={zone.value === "utc" ? "In UTC." : undefined} type="datetime-local" value={now.start} error={said("start")} onInput={(start) => set({ start })} />
          <Text label="Not after" hint={zone.value === "utc" ? "In UTC." : undefined} type="datetime-local" value={now.end} error={said("end")} onInput={(end) => set({ end })} />
          <Text label="Runs at most" hint="No limit, if empty." value={now.limit} error={said("limit")} onInput={(limit) => set({ limit })} />
        </div>
        {scheduler === null && now.kind === "every" && !now.start ? (
          <label class="tick">
            <input type="checkbox" checked={now.immediately} onChange={(event) => set({ immediately: event.currentTarget.checked })} /> Run it the first time at once
          </label>
        ) : null}
        <details class="fold">
          <summary>Overlap, missed runs, jitter</summary>
          <div class="fields-2">
            <Choice label="If one still runs" words={OVERLAPS} value={now.overlap} onChoose={(overlap) => set({ overlap })} />
            <Choice label="If runs were missed" words={MISSED} value={now.missed} onChoose={(missed) => set({ missed })} />
            <Text label="Jitter" hint="Runs begin up to so much later." value={now.jitter} error={said("jitter")} onInput={(jitter) => set({ jitter })} />
          </div>
        </details>
        {masked ? (
          <p class="field-hint">Some of its data are hidden from you, so data and options stay as they are.</p>
        ) : (
          <>
            <div class="field">
              <span class="label">Data of each run</span>
              <JsonEditor label="Data of each run" rows={5} text={now.data} onInput={(data) => set({ data })} />
            </div>
            <details class="fold">
              <summary>Options of each run</summary>
              <JsonEditor label="Options of each run" rows={6} text={now.options} error={said("options")} onInput={(options) => set({ options })} />
            </details>
          </>
        )}
      </form>
    </Dialog>
  );
}

const ZONES: readonly string[] = typeof Intl.supportedValuesOf === "function" ? ["UTC", ...Intl.supportedValuesOf("timeZone")] : ["UTC"];

interface TextProps {
  label: string;
  value: string;
  onInput: (text: string) => void;
  hint?: string | undefined;
  error?: string | null;
  mono?: boolean;
  type?: string;
  list?: readonly string[];
}

function Text({ label, value, onInput, hint, error = null, mono, type = "text", list }: TextProps): JSX.Element {
  const options = useId();
  return (
    <Field label={label} hint={hint} error={error}>
      {({ id, describedBy, invalid }) => (
        <>
          <input
            id={id}
            class={mono ? "input mono" : "input"}
            type={type}
            step={type === "datetime-local" ? 1 : undefined}
            value={value}
            list={list ? options : undefined}
            aria-describedby={describedBy}
            aria-invalid={invalid}
            autocomplete="off"
            spellcheck={false}
            onInput={(event) => onInput(event.currentTarget.value)}
          />
          {list ? (
            <datalist id={options}>
              {list.map((one) => (
                <option key={one} value={one} />
              ))}
            </datalist>
          ) : null}
        </>
      )}
    </Field>
  );
}

function Choice({ label, words, value, onChoose }: { label: string; words: [string, string][]; value: string; onChoose: (value: string) => void }): JSX.Element {
  const known = words.some(([one]) => one === value) ? words : [...words, [value, value] as [string, string]];
  return (
    <Field label={label}>
      {({ id }) => (
        <select id={id} class="select" value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
          {known.map(([one, text]) => (
            <option key={one} value={one} selected={one === value}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

// --------------------------------------------------------------------------------------------- what is in the form

interface Form {
  queue: string;
  id: string;
  name: string;
  kind: "cron" | "every";
  cron: string;
  tz: string;
  every: string;
  offset: string;
  start: string;
  end: string;
  limit: string;
  overlap: string;
  missed: string;
  jitter: string;
  immediately: boolean;
  data: string;
  options: string;
}

function start(one: SchedulerRow | null, queue: string | null): Form {
  return {
    queue: one?.queue ?? queue ?? queueNames.value[0] ?? "",
    id: one?.id ?? "",
    name: one?.name ?? "",
    kind: one && one.cron === null ? "every" : "cron",
    cron: one?.cron ?? (one ? "" : "0 8 * * *"),
    tz: one ? (one.tz ?? "") : here(),
    every: one?.every ? writeDuration(one.every) : one ? "" : "15m",
    offset: one?.offset ? writeDuration(one.offset) : "",
    start: field(one?.start),
    end: field(one?.end),
    limit: one?.limit ? String(one.limit) : "",
    overlap: one?.overlap ?? "allow",
    missed: one?.missed ?? "once",
    jitter: one?.jitter ? writeDuration(one.jitter) : "",
    immediately: false,
    data: stringify((one ? one.data : {}) as Json, 2),
    options: stringify((one?.options ?? {}) as Json, 2),
  };
}

/** A time as the browser's field wants it: by the clock that times are shown by, without a zone. */
function field(at: number | null | undefined): string {
  return at ? fieldTime(at, zone.value) : "";
}

function moment(text: string): number | null {
  return text ? readMoment(text, 0, zone.value) : null;
}

function problems(form: Form): Partial<Record<keyof Form, string>> {
  const found: Partial<Record<keyof Form, string>> = {};
  if (!form.id.trim()) found.id = "An id is needed.";
  if (form.kind === "cron" && !/^@\w+$|^\S+(\s+\S+){4,5}$/.test(form.cron.trim())) found.cron = "Five or six fields, such as 0 8 * * 1-5.";
  if (form.kind === "every" && !readDuration(form.every)) found.every = "How long is missing, such as 15m.";
  for (const name of ["offset", "jitter"] as const) if (form[name] && readDuration(form[name]) === null) found[name] = "Such as 30s or 5m.";
  if (form.limit && !/^[1-9]\d{0,11}$/.test(form.limit.trim())) found.limit = "A whole number, 1 or more.";
  const [from, to] = [moment(form.start), moment(form.end)];
  if (from !== null && to !== null && from >= to) found.end = "It ends before it starts.";
  if (flaw(form.data)) found.data = "This is not JSON.";
  if (flaw(form.options)) found.options = "This is not JSON.";
  else if (!/^\s*\{/.test(form.options)) found.options = "Options are an object.";
  return found;
}

/** What the server has to know: all of a new one, of an old one what was changed. */
function body(before: Form, now: Form, all: boolean): Record<string, Json> {
  const sent: Record<string, Json> = { id: now.id };
  const changed = (name: keyof Form) => all || before[name] !== now[name];
  const times = changed("kind");
  // An emptied field means what it says: its jobs are named as it is, and nothing is shifted.
  if (changed("name") && (now.name || !all)) sent["name"] = now.name || now.id;
  if (now.kind === "cron") {
    if (times || changed("cron")) sent["cron"] = now.cron.trim();
    if (times || changed("tz")) sent["tz"] = now.tz.trim() || null;
  } else {
    if (times || changed("every")) sent["every"] = readDuration(now.every);
    if ((now.offset || before.offset) && (times || changed("offset"))) sent["offset"] = readDuration(now.offset) ?? 0;
  }
  if (now.immediately && now.kind === "every" && !now.start) sent["immediately"] = true;
  for (const name of ["start", "end"] as const) if (before[name] !== now[name]) sent[name] = moment(now[name]);
  if (before.limit !== now.limit) sent["limit"] = now.limit ? Number(now.limit) : null;
  if (before.jitter !== now.jitter) sent["jitter"] = readDuration(now.jitter) ?? 0;
  for (const name of ["overlap", "missed"] as const) if (changed(name)) sent[name] = now[name];
  if (changed("data")) sent["data"] = parse(now.data);
  if (before.options !== now.options) sent["options"] = parse(now.options);
  return sent;
}
