/** Adding a job: its name, its data by a form or as JSON, and how it is to run. */

import type { JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { address, ApiError, get, part, refreshAll, url, useApi } from "./api";
import { Dialog } from "./components/Dialog";
import { JsonEditor } from "./components/JsonEditor";
import { toast } from "./components/Toast";
import { said, send } from "./forms";
import { copyText } from "./lib/copy";
import { curl } from "./lib/curl";
import { type Json, parse, stringify } from "./lib/exact";
import { plural } from "./lib/format";
import { fieldOf, type Flaws, joined, split, type Usual } from "./lib/job-options";
import { beginning, check, isDraft, isObject, placeOf, pointedAt, type Problem, type Schema } from "./lib/schema";
import { go, toJob } from "./router";
import { SchemaForm } from "./schema-form";
import type { Done, JobPage, Schemas, Stats } from "./shapes";
import { Banner, Button, Field, Link } from "./ui";

interface Props {
  queue: string;
  name?: string;
  data?: unknown;
  /** Of the job that this one is like. */
  options?: unknown;
  like?: string;
  onClose: () => void;
}

export function AddJob({ queue, name: firstName = "", data, options, like, onClose }: Props): JSX.Element {
  const form = useId();
  const { data: registered } = useApi<Schemas>(`/queues/${part(queue)}/schemas`, { every: 0 });
  const schemas = registered?.schemas ?? {};
  const names = useNames(queue, schemas);
  const first = useMemo(() => split(options), []);
  const [name, setName] = useState(firstName);
  const [value, setValue] = useState<Json | undefined>((data ?? {}) as Json);
  const [text, setText] = useState(() => stringify((data ?? {}) as Json, 2));
  const [usual, setUsual] = useState<Usual>(first.usual);
  const [rest, setRest] = useState(() => (Object.keys(first.rest).length ? stringify(first.rest, 2) : ""));
  const [json, setJson] = useState(false);
  const [tried, setTried] = useState(false);
  const [refused, setRefused] = useState<{ message: string; problems: Problem[]; flaws: Flaws } | null>(null);
  const [added, setAdded] = useState<Done | null>(null);
  const [busy, setBusy] = useState(false);
  const [round, setRound] = useState(0);

  const tidyName = name.trim();
  const schema = Object.hasOwn(schemas, tidyName) && isObject(schemas[tidyName] as Json) ? (schemas[tidyName] as Schema) : null;
  const byForm = schema !== null && !json;
  useBeginning(schema, byForm, { value, setValue, setText, again: () => setRound(round + 1) });

  const read = byForm ? { value } : readable(text);
  const problems = useMemo(() => (schema && read.value !== undefined ? check(read.value, schema, schema) : []), [schema, byForm, value, text]);
  const broken = read.value === undefined || drafts(read.value);
  const { options: wanted, flaws } = joined(usual, rest.trim() ? readable(rest).value ?? [] : undefined);
  const bad = !tidyName || broken || Object.keys(flaws).length > 0;
  const body = { name: tidyName, data: read.value ?? null, options: wanted };
  const path = `/queues/${part(queue)}/add`;

  const edited = () => {
    setAdded(null);
    if (refused) setRefused(null);
  };
  const toJson = () => {
    setText(stringify(value ?? {}, 2));
    setJson(true);
  };
  const toForm = () => {
    const found = readable(text).value;
    if (found === undefined) return;
    setValue(found);
    setRound(round + 1);
    setJson(false);
  };

  const add = async (again: boolean, anyway = false) => {
    setTried(true);
    if (busy) return;
    if (bad || (problems.length && !anyway)) return firstFlaw(form);
    setBusy(true);
    setRefused(null);
    try {
      const done = await send(path, body);
      told(queue, done);
      if (!again) {
        onClose();
        if (done.id && like && done.done) go(toJob(queue, done.id));
        return;
      }
      setAdded(done);
      // The id was for the one that is added now.
      setUsual((now) => (now.id === usual.id ? { ...now, id: "" } : now));
      setTried(false);
    } catch (error) {
      const message = said(error);
      const about = error instanceof ApiError && error.status === 400 ? fieldOf(message) : null;
      setRefused({ message, problems: pointedAt(message), flaws: about ? { [about.field]: about.message } : {} });
      firstFlaw(form);
    }
    setBusy(false);
  };

  const shownFlaws: Flaws = { ...(refused?.flaws ?? {}), ...flaws };
  const all = refused?.problems.length ? [...refused.problems, ...problems] : problems;
  return (
    <Dialog
      title={like ? `Duplicate job ${like}` : `Add a job to ${queue}`}
      size="wide"
      onClose={onClose}
      footer={
        <>
          <span class="add-curl">
            <Button kind="quiet" icon="code" disabled={bad} onClick={() => void copied(path, body)}>
              Copy as curl
            </Button>
          </span>
          <Button onClick={onClose}>{added ? "Close" : "Cancel"}</Button>
          {like ? null : (
            <Button busy={busy} onClick={() => void add(true)}>
              Add and stay
            </Button>
          )}
          <button class="button" data-kind="primary" type="submit" form={form} disabled={busy} aria-busy={busy}>
            Add job
          </button>
        </>
      }
    >
      <form
        id={form}
        class="form add"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void add(false);
        }}
      >
        {refused ? <Banner kind="bad">{refused.message}</Banner> : null}
        {added ? (
          <Banner kind="info" action={added.id ? <Link to={toJob(queue, added.id)}>Open it</Link> : undefined}>
            {added.text} Change what you like and add the next one.
          </Banner>
        ) : null}
        {tried && problems.length && !refused ? (
          <Banner
            kind="warn"
            action={
              broken ? undefined : (
                <Button busy={busy} onClick={() => void add(false, true)}>
                  Add anyway
                </Button>
              )
            }
          >
            {plural(problems.length, "place")} in the data {problems.length === 1 ? "is" : "are"} not as the schema of {tidyName} says.
          </Banner>
        ) : null}
        <Names
          value={name}
          names={names}
          flaw={tried && !tidyName ? "A name is needed: it says which work it is." : null}
          onInput={(next) => {
            setName(next);
            edited();
          }}
        />
        <section class="add-data" aria-label="Data">
          <div class="schema-head">
            <p class="label">Data</p>
            {schema ? (
              <div class="switch" role="group" aria-label="How to edit the data">
                <button type="button" aria-pressed={byForm} disabled={!byForm && readable(text).value === undefined} title={!byForm && readable(text).value === undefined ? "This is no JSON yet" : undefined} onClick={() => (byForm ? undefined : toForm())}>
                  Form
                </button>
                <button type="button" aria-pressed={!byForm} onClick={() => (byForm ? toJson() : undefined)}>
                  JSON
                </button>
              </div>
            ) : null}
          </div>
          {byForm && schema ? (
            <SchemaForm
              key={`${tidyName} ${round}`}
              schema={schema}
              value={value}
              problems={all}
              tried={tried}
              onChange={(next) => {
                setValue(next);
                edited();
              }}
            />
          ) : (
            <>
              <JsonEditor
                text={text}
                onInput={(next) => {
                  setText(next);
                  edited();
                }}
                label="Data"
                rows={10}
              />
              <Places problems={all} />
            </>
          )}
        </section>
        <Options usual={usual} flaws={shownFlaws} rest={rest} onUsual={(changes) => (setUsual({ ...usual, ...changes }), edited())} onRest={(next) => (setRest(next), edited())} />
      </form>
    </Dialog>
  );
}

function readable(text: string): { value: Json | undefined } {
  try {
    return { value: parse(text) };
  } catch {
    return { value: undefined };
  }
}

/** Whether there is JSON in it that can't be read yet. */
function drafts(value: Json): boolean {
  if (isDraft(value)) return true;
  if (Array.isArray(value)) return value.some(drafts);
  return isObject(value) && Object.values(value).some(drafts);
}

function told(queue: string, done: Done): void {
  const { id } = done;
  toast(done.text, id ? { kind: "good", action: { text: "Open", run: () => go(toJob(queue, id)) } } : { kind: "good" });
  refreshAll();
}

async function copied(path: string, body: { [key: string]: Json }): Promise<void> {
  if (await copyText(curl(address(path), body))) toast("Copied. Add who you are, if the dashboard asks for it.", { kind: "good" });
  else toast("The browser does not let us copy.", { kind: "bad" });
}

/** To the first field that has something wrong. */
function firstFlaw(form: string): void {
  requestAnimationFrame(() => {
    const element = document.getElementById(form);
    (element?.querySelector<HTMLElement>("[aria-invalid=true]") ?? element?.querySelector<HTMLElement>(".banner"))?.focus();
    element?.querySelector(".field-error, .banner")?.scrollIntoView({ block: "nearest" });
  });
}

interface Data {
  value: Json | undefined;
  setValue: (value: Json | undefined) => void;
  setText: (text: string) => void;
  again: () => void;
}

/** Data that nobody has touched begin as the schema of the name says; what was written stays. */
function useBeginning(schema: Schema | null, byForm: boolean, { value, setValue, setText, again }: Data): void {
  const offered = useRef("{}");
  // In the same turn as the fields appear: later, somebody may have typed in one.
  useLayoutEffect(() => {
    if (stringify(value ?? {}) !== offered.current) {
      if (byForm) again();
      else if (!schema) setText(stringify(value ?? {}, 2));
      return;
    }
    const begun = schema ? (beginning(schema, schema) ?? {}) : {};
    offered.current = stringify(begun);
    setValue(begun);
    setText(stringify(begun, 2));
    again();
  }, [schema]);
}

/** Names of jobs in this queue: with a schema, counted, or seen in its newest jobs. */
function useNames(queue: string, schemas: Record<string, unknown>): string[] {
  const [seen, setSeen] = useState<readonly string[]>([]);
  useEffect(() => {
    const jobs = ["waiting", "active", "completed", "failed"].map((state) => get<JobPage>(url(`/queues/${part(queue)}/jobs`, { state, count: 50 })).then(({ jobs }) => jobs.map((job) => job.name)));
    const counted = get<Stats>(url("/stats", { queue })).then(({ names }) => names.map((one) => one.name));
    void Promise.allSettled([counted, ...jobs]).then((all) => setSeen(all.flatMap((one) => (one.status === "fulfilled" ? one.value : []))));
  }, [queue]);
  return useMemo(() => [...new Set([...Object.keys(schemas).sort(), ...seen.toSorted()])].slice(0, 200), [schemas, seen]);
}

function Names({ value, names, flaw, onInput }: { value: string; names: readonly string[]; flaw: string | null; onInput: (name: string) => void }): JSX.Element {
  const list = useId();
  return (
    <Field label="Name" error={flaw}>
      {({ id, describedBy, invalid }) => (
        <>
          <input id={id} class="input" data-first value={value} list={list} aria-required="true" aria-invalid={invalid} aria-describedby={describedBy} autocomplete="off" spellcheck={false} onInput={(event) => onInput(event.currentTarget.value)} />
          <datalist id={list}>
            {names.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

/** What is wrong in data that are written as JSON. */
function Places({ problems }: { problems: readonly Problem[] }): JSX.Element | null {
  if (!problems.length) return null;
  return (
    <ul class="add-places" aria-label="What is wrong in the data">
      {problems.slice(0, 8).map((one) => (
        <li key={`${placeOf(one.path)} ${one.message}`}>
          <span class="mono">{placeOf(one.path) || "data"}</span> {one.message}
        </li>
      ))}
      {problems.length > 8 ? <li>and {plural(problems.length - 8, "more place")}</li> : null}
    </ul>
  );
}

// ---------------------------------------------------------------------------------------------------------- options

interface OptionsProps {
  usual: Usual;
  flaws: Flaws;
  rest: string;
  onUsual: (changes: Partial<Usual>) => void;
  onRest: (text: string) => void;
}

const BACKOFFS: [string, string][] = [
  ["", "none"],
  ["fixed", "the same each time"],
  ["exponential", "twice as long each time"],
];

function Options({ usual, flaws, rest, onUsual, onRest }: OptionsProps): JSX.Element {
  const backoffs = BACKOFFS.some(([one]) => one === usual.backoff) ? BACKOFFS : [...BACKOFFS, [usual.backoff, usual.backoff] as [string, string]];
  const text = (name: keyof Usual, label: string, hint: string, placeholder: string, numeric = false) => (
    <Field label={label} hint={hint} error={flaws[name] ?? null}>
      {({ id, describedBy, invalid }) => (
        <input id={id} class="input" inputMode={numeric ? "numeric" : undefined} value={usual[name]} placeholder={placeholder} autocomplete="off" spellcheck={false} aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => onUsual({ [name]: event.currentTarget.value })} />
      )}
    </Field>
  );
  return (
    <section class="add-options" aria-label="Options">
      <p class="label">Options</p>
      <div class="fields-3">
        {text("delay", "Delay", "Such as 30s or 2h", "none")}
        {text("priority", "Priority", "1 runs before 2; none before all", "none", true)}
        {text("id", "Id", "A second of the same id is not added", "by itself")}
        {text("attempts", "Attempts", "How often it is tried in all", "1", true)}
        <Field label="Pause between" error={flaws.backoff ?? null}>
          {({ id, describedBy, invalid }) => (
            <select id={id} class="select" value={usual.backoff} aria-describedby={describedBy} aria-invalid={invalid} onChange={(event) => onUsual({ backoff: event.currentTarget.value })}>
              {backoffs.map(([one, words]) => (
                <option key={one} value={one} selected={one === usual.backoff}>
                  {words}
                </option>
              ))}
            </select>
          )}
        </Field>
        {usual.backoff ? text("pause", "How long", "The first pause, such as 10s", "none") : null}
        {usual.backoff ? text("jitter", "Jitter", "0 to 1: how much of it is chance", "0") : null}
        {text("done", "Keep completed", "Such as 100, 7d, or none", "all")}
        {text("failed", "Keep failed", "Such as 100, 7d, or none", "all")}
      </div>
      <details class="fold" open={Boolean(rest) || Boolean(flaws.rest)}>
        <summary>Other options</summary>
        <p class="field-hint">As BullMQ writes them, such as {'{"lifo": true, "deduplication": {"id": "x"}}'}</p>
        <JsonEditor label="Other options" rows={3} text={rest || "{}"} error={flaws.rest ?? null} onInput={onRest} />
      </details>
    </section>
  );
}
