/** Where in a list we are, and how to get elsewhere: a page on, to the end, or anywhere at once. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { num, plural } from "../lib/format";
import { pageAt, startOf } from "../lib/pages";
import { held } from "../live";
import { setQuery } from "../router";
import { Button } from "../ui";
import { PAGE } from "./chosen";

/** With fewer pages than these, next and last are enough. */
const MANY_PAGES = 4;

interface Props {
  start: number;
  shown: number;
  total: number;
  moved: boolean;
  onMove: () => void;
}

function to(at: number): void {
  setQuery({ start: at > 0 ? at : null });
}

export function Pager({ start, shown, total, moved, onMove }: Props): JSX.Element {
  const { pages } = pageAt(start, total, PAGE);
  const last = (pages - 1) * PAGE;
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
      {pages >= MANY_PAGES ? <Jump key={start} start={start} total={total} /> : null}
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

/** A page by its number, or by how far it is into the list. */
function Jump({ start, total }: { start: number; total: number }): JSX.Element {
  const { page, pages } = pageAt(start, total, PAGE);
  const [typed, setTyped] = useState(num(page));
  const wanted = startOf(typed, total, PAGE);
  const jump = (event: Event) => {
    event.preventDefault();
    if (wanted !== null) to(wanted);
  };
  return (
    <form class="pager-jump" onSubmit={jump}>
      <label>
        Page{" "}
        <input
          class="input"
          value={typed}
          title={`1 to ${num(pages)}, or a part such as 50%`}
          autocomplete="off"
          enterKeyHint="go"
          aria-invalid={wanted === null}
          onFocus={(event) => event.currentTarget.select()}
          onBlur={() => setTyped(num(page))}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
      </label>
      <span title={plural(total, "job")}>of {num(pages)}</span>
    </form>
  );
}
