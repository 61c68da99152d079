/** Which columns a list has, in which order, and how dense it is. */

import type { JSX } from "preact";

import { Popover } from "../components/Popover";
import { moved, offered, turned, usual, written } from "../lib/columns";
import { IconButton } from "../ui";
import { COLUMNS, density, showColumns, shownIds } from "./columns";

export function ColumnsMenu({ state }: { state: string }): JSX.Element {
  const shown = shownIds(state);
  const rest = offered(state).filter((id) => !shown.includes(id));
  const own = written(shown, state) !== null;
  return (
    <Popover label="Columns" icon="columns" on={own}>
      {() => (
        <>
          <p class="pop-title">Columns, from left to right</p>
          {shown.map((id, at) => (
            <One key={id} id={id} state={state} at={at} shown={shown} />
          ))}
          <div class="pop-line" />
          {rest.map((id) => (
            <One key={id} id={id} state={state} at={-1} shown={shown} />
          ))}
          {own ? (
            <button type="button" class="pop-item" onClick={() => showColumns(state, usual(state))}>
              <span>The usual columns</span>
            </button>
          ) : null}
          <div class="pop-line" />
          <label class="pop-item">
            <input type="checkbox" checked={density.value === "dense"} onChange={(event) => (density.value = event.currentTarget.checked ? "dense" : "roomy")} />
            <span>Dense rows</span>
          </label>
        </>
      )}
    </Popover>
  );
}

function One({ id, state, at, shown }: { id: string; state: string; at: number; shown: readonly string[] }): JSX.Element {
  const word = COLUMNS.find((column) => column.id === id)?.word ?? id;
  const on = at >= 0;
  return (
    <div class="pop-row">
      <label>
        <input type="checkbox" checked={on} disabled={on && shown.length === 1} onChange={() => showColumns(state, turned(shown, id))} />
        {word}
      </label>
      {on ? (
        <>
          <IconButton icon="up" label={`${word}: further to the left`} disabled={at === 0} onClick={() => showColumns(state, moved(shown, id, -1))} />
          <IconButton icon="down" label={`${word}: further to the right`} disabled={at === shown.length - 1} onClick={() => showColumns(state, moved(shown, id, 1))} />
        </>
      ) : null}
    </div>
  );
}
