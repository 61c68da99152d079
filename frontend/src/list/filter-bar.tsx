/** Over a list: what is looked for, and in which order, columns and form it is shown. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { Icon } from "../icons";
import { suggest } from "../lib/filter";
import { route, setQuery, withQuery } from "../router";
import type { Counts } from "../shapes";
import { may } from "../state";
import { stateOf } from "../states";
import { Button, Link } from "../ui";
import { ColumnsMenu } from "./columns-menu";
import { ExportMenu } from "./export";
import { orderOf, orderWords } from "./order";
import { TimeMenu } from "./time-menu";
import { ViewsMenu } from "./views";

interface Props {
  queue: string;
  text: string;
  flaw: string | null;
  state: string;
  fingerprint: string | null;
  searching: boolean;
  /** The filter as the server takes it. */
  asked: Record<string, string>;
  counts: Counts;
}

export function FilterBar(props: Props): JSX.Element {
  const { text, flaw, state, fingerprint, searching } = props;
  return (
    <div class="filter">
      <FilterForm text={text} flaw={flaw} state={state} />
      {fingerprint ? <Chip text="One kind of failure" clear="All kinds of failures" word="fingerprint" /> : null}
      {state === "any" ? <Chip text="All states" clear="Only one state" word="state" /> : null}
      {searching && state !== "any" ? (
        <Link class="button" data-kind="quiet" to={withQuery(route.value.path, { state: "any", cols: null }, route.value.query)}>
          Search all states
        </Link>
      ) : null}
      <Tools {...props} />
      {flaw ? (
        <p class="field-error filter-flaw" id="filter-flaw">
          {flaw}
        </p>
      ) : null}
    </div>
  );
}

function Tools({ queue, text, state, searching, asked, counts }: Props): JSX.Element {
  const order = orderOf(state);
  const known = stateOf(state);
  return (
    <span class="filter-tools">
      <TimeMenu text={text} state={state} />
      {searching || state === "any" ? null : (
        <Button kind="quiet" icon={order === "newest" ? "down" : "up"} onClick={() => setQuery({ order: order === "newest" ? "oldest" : "newest", start: null })} title="Turn the order">
          {orderWords(state, order)}
        </Button>
      )}
      <ColumnsMenu state={state} />
      <ViewsMenu queue={queue} state={state} />
      {may("export") ? <ExportMenu queue={queue} what={searching ? "What is found" : known ? `${known.word} jobs` : "All jobs"} query={{ state: state === "any" ? null : state, ...asked }} count={searching || !known ? null : counts[known.count]} /> : null}
    </span>
  );
}

function Chip({ text, clear, word }: { text: string; clear: string; word: string }): JSX.Element {
  return (
    <span class="badge filter-chip">
      {text}
      <button type="button" aria-label={clear} title={clear} onClick={() => setQuery({ [word]: null, start: null, ...(word === "state" ? { cols: null } : {}) })}>
        <Icon name="close" size={12} />
      </button>
    </span>
  );
}

function FilterForm({ text, flaw, state }: { text: string; flaw: string | null; state: string }): JSX.Element {
  const [typed, setTyped] = useState(text);
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLInputElement>(null);
  // At once: later, somebody may have typed on.
  useLayoutEffect(() => setTyped(text), [text]);
  const send = (value: string) => {
    setOpen(false);
    setQuery({ q: value.trim(), start: null });
  };
  const type = (value: string) => {
    setTyped(value);
    setOpen(true);
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key !== "Escape" || !(typed || open)) return;
    event.stopPropagation();
    if (open && suggest(typed).length > 0) setOpen(false);
    else send("");
  };
  const onSubmit = (event: Event) => {
    event.preventDefault();
    send(typed);
  };
  return (
    <form class="filter-form" role="search" onSubmit={onSubmit}>
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
        onInput={(event) => type(event.currentTarget.value)}
        onKeyDown={onKey}
      />
      {open ? (
        <Hints
          typed={typed}
          onChoose={(value) => {
            setTyped(value);
            box.current?.focus();
          }}
        />
      ) : null}
    </form>
  );
}

/** What can be typed next. */
function Hints({ typed, onChoose }: { typed: string; onChoose: (text: string) => void }): JSX.Element | null {
  const hints = suggest(typed);
  if (hints.length === 0) return null;
  return (
    <ul class="filter-hints" aria-label="What can be typed">
      {hints.map((hint) => (
        <li key={hint.key}>
          <button
            type="button"
            tabIndex={-1}
            onPointerDown={(event) => {
              event.preventDefault();
              onChoose(hint.insert);
            }}
          >
            <span class="mono">{hint.key}:</span> {hint.hint} <span class="muted mono">{hint.example}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
