/** Questions about a whole queue: its limits, and to empty it. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { part, post } from "./api";
import { FormDialog } from "./components/FormDialog";
import { whole } from "./forms";
import { num, plural } from "./lib/format";
import { readDuration, writeDuration } from "./lib/time";
import { go } from "./router";
import type { Done, QueueDetail } from "./shapes";
import { total } from "./states";
import { Banner, Button, Field, perform } from "./ui";

export function Limits({ row, onClose }: { row: QueueDetail; onClose: () => void }): JSX.Element {
  const [most, setMost] = useState(row.concurrency === null ? "" : String(row.concurrency));
  const [max, setMax] = useState(row.rate_limit ? String(row.rate_limit.max) : "");
  const [time, setTime] = useState(row.rate_limit ? writeDuration(row.rate_limit.duration) : "");
  const duration = time.trim() ? readDuration(time) : null;
  const paired = Boolean(max.trim()) === Boolean(time.trim());
  const good = whole(most) && most.trim() !== "0" && whole(max) && max.trim() !== "0" && paired && (!time.trim() || (duration !== null && duration > 0));
  const path = `/queues/${part(row.name)}/limits`;
  const save = async () => {
    const body = { concurrency: most.trim() ? Number(most) : null, rate_limit: max.trim() ? { max: Number(max), duration } : null };
    if (await perform(() => post<Done>(path, body))) onClose();
  };
  return (
    <FormDialog
      title={`Limits of ${row.name}`}
      verb="Save limits"
      ready={good}
      more={row.rate_limited_for > 0 ? <Button onClick={() => void perform(() => post<Done>(path, { release: true })).then((done) => done && onClose())}>Go on at once</Button> : null}
      onSave={() => void save()}
      onClose={onClose}
    >
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
    </FormDialog>
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
  const save = async () => {
    setBusy(true);
    const body = drain ? { confirm: typed, delayed: also } : { confirm: typed, force: also };
    const done = await perform(() => post<Done>(`/queues/${part(row.name)}/${how}`, body));
    setBusy(false);
    if (!done) return;
    onClose();
    if (!drain) go("/");
  };
  return (
    <FormDialog title={drain ? `Drain ${row.name}` : `Obliterate ${row.name}`} verb={words} danger ready={ready && !busy} onSave={() => void save()} onClose={onClose}>
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
    </FormDialog>
  );
}
