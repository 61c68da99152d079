/** Which time a list is about: some usual ones, or from one moment to another. It is a part of the filter's text. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { serverNow } from "../api";
import { Popover } from "../components/Popover";
import { Icon } from "../icons";
import { type Filter, format, parse } from "../lib/filter";
import { readMoment } from "../lib/time";
import { route, setQuery, withQuery } from "../router";
import { zone } from "../state";
import { Button, Field, Link } from "../ui";

const TIMES: readonly { word: string; from?: string; to?: string }[] = [
  { word: "Any time" },
  { word: "Last 15 minutes", from: "-15m" },
  { word: "Last hour", from: "-1h" },
  { word: "Last 24 hours", from: "-24h" },
  { word: "Today", from: "today" },
  { word: "Yesterday", from: "yesterday", to: "today" },
  { word: "Last 7 days", from: "-7d" },
];

export function TimeMenu({ text, state }: { text: string; state: string }): JSX.Element {
  const filter = parse(text);
  const known = TIMES.find((time) => time.from === filter.from && time.to === filter.to);
  const word = known?.word ?? (filter.from && filter.to ? `${filter.from} to ${filter.to}` : filter.from ? `Since ${filter.from}` : `Until ${filter.to}`);
  return (
    <Popover label={`Time: ${word}`} icon="clock" text={word}>
      {(close) => (
        <>
          <p class="pop-title">{state === "completed" || state === "failed" ? "Finished" : state === "any" ? "Finished, or else added" : "Added"}</p>
          {TIMES.map((time) => (
            <Link key={time.word} class="pop-item" to={withQuery(route.value.path, changed(filter, time.from, time.to), route.value.query)} aria-current={time === known ? "true" : undefined} onClick={close}>
              <span>{time.word}</span>
              {time === known ? <Icon name="check" size={14} /> : null}
            </Link>
          ))}
          <div class="pop-line" />
          <Between filter={filter} onDone={close} />
        </>
      )}
    </Popover>
  );
}

function changed(filter: Filter, from: string | undefined, to: string | undefined): Record<string, string | null> {
  const { from: _from, to: _to, ...rest } = filter;
  return { q: format({ ...rest, ...(from ? { from } : {}), ...(to ? { to } : {}) }), start: null };
}

function Between({ filter, onDone }: { filter: Filter; onDone: () => void }): JSX.Element {
  const [from, setFrom] = useState(filter.from ?? "");
  const [to, setTo] = useState(filter.to ?? "");
  const bad = (text: string) => (text.trim() !== "" && readMoment(text, serverNow(), zone.value) === null ? "No time that is known" : null);
  const submit = (event: Event) => {
    event.preventDefault();
    if (bad(from) || bad(to)) return;
    onDone();
    setQuery(changed(filter, from.trim(), to.trim()));
  };
  return (
    <form class="pop-form" onSubmit={submit}>
      <div class="fields-2">
        <Field label="From" error={bad(from)}>
          {({ id, describedBy, invalid }) => <input id={id} class="input" value={from} placeholder="-2h" autocomplete="off" aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setFrom(event.currentTarget.value)} />}
        </Field>
        <Field label="To" error={bad(to)}>
          {({ id, describedBy, invalid }) => <input id={id} class="input" value={to} placeholder="2026-11-24 18:00" autocomplete="off" aria-describedby={describedBy} aria-invalid={invalid} onInput={(event) => setTo(event.currentTarget.value)} />}
        </Field>
      </div>
      <Button type="submit" disabled={Boolean(bad(from) ?? bad(to))}>
        Show this time
      </Button>
    </form>
  );
}
