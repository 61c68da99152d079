/** The table of all queues: sorted, with the pinned ones first, in groups if wanted. */

import type { JSX } from "preact";

import { Empty } from "../components/Empty";
import { Icon } from "../icons";
import { grouped } from "../lib/groups";
import { route, setQuery } from "../router";
import type { QueueRow } from "../shapes";
import { remembered } from "../state";
import { STATES } from "../states";
import { Button } from "../ui";
import { GroupRow, Row, SHORT } from "./row";
import { type Key, next, parted, sorted } from "./sorting";

const MANY_QUEUES = 10;

const grouping = remembered("groups", ["off", "on"] as const, "off");

export function Queues({ rows }: { rows: QueueRow[] }): JSX.Element {
  const { query } = route.value;
  const key = (query.get("sort") ?? "name") as Key;
  const down = query.get("dir") === "desc";
  const find = query.get("find") ?? "";
  const word = find.trim().toLowerCase();
  const shown = sorted(rows, key, down).filter((row) => row.name.toLowerCase().includes(word));
  const groups = grouped(rows).some((group) => group.prefix !== null);
  const inGroups = groups && (query.has("group") ? query.get("group") === "1" : grouping.value === "on");
  const turn = () => {
    grouping.value = inGroups ? "off" : "on";
    setQuery({ group: inGroups ? "0" : "1" }, { replace: true });
  };
  return (
    <section aria-label="Queues" class="overview-queues">
      {rows.length > MANY_QUEUES || find || groups ? (
        <div class="overview-tools">
          {rows.length > MANY_QUEUES || find ? (
            <input class="input overview-find" type="search" data-search aria-label="Find a queue" placeholder="Find a queue" value={find} onInput={(event) => setQuery({ find: event.currentTarget.value }, { replace: true })} />
          ) : null}
          {groups ? (
            <Button kind="quiet" icon={inGroups ? "check" : "branch"} onClick={turn}>
              {inGroups ? "In groups" : "Group by name"}
            </Button>
          ) : null}
        </div>
      ) : null}
      <div class="sheet" tabIndex={0} role="region" aria-label="Table of queues">
        <table class="table overview-table cards" aria-label="Queues">
          <Head sort={key} down={down} />
          <Bodies rows={shown} inGroups={inGroups} />
        </table>
        {shown.length === 0 ? <Empty title={`No queue has “${find}” in its name`} /> : null}
      </div>
    </section>
  );
}

function Head({ sort, down }: { sort: Key; down: boolean }): JSX.Element {
  const head = (id: Key, text: string, title?: string, number = true) => {
    const on = id === sort;
    return (
      <th key={id} scope="col" class={number ? "n" : undefined} aria-sort={on ? (down ? "descending" : "ascending") : undefined}>
        <button type="button" class="sort" title={title} onClick={() => setQuery(next(id, on, down), { replace: true })}>
          {text}
          {on ? <Icon name={down ? "down" : "up"} size={12} /> : null}
        </button>
      </th>
    );
  };
  return (
    <thead>
      <tr>
        {head("name", "Queue", undefined, false)}
        {STATES.map((state) => head(state.count, SHORT[state.id] ?? state.word, state.word))}
        {head("oldest", "Oldest", "How long the next job has waited")}
        {head("p95", "Run", "How long the latest finished jobs ran: half of them, and 95 %, no longer")}
        {head("rate", "Last hour", "Done and failed, minute by minute; sorts by jobs done a minute", false)}
        {head("workers", "Workers")}
      </tr>
    </thead>
  );
}

function Bodies({ rows, inGroups }: { rows: readonly QueueRow[]; inGroups: boolean }): JSX.Element {
  const [pinned, others] = parted(rows);
  if (!inGroups) return <tbody>{[...pinned, ...others].map(one)}</tbody>;
  const folded = new Set((route.value.query.get("fold") ?? "").split(",").filter(Boolean));
  return (
    <>
      {pinned.length > 0 ? <tbody>{pinned.map(one)}</tbody> : null}
      {grouped(others).map((group) =>
        group.prefix === null ? (
          <tbody key={`one ${group.rows[0]?.name}`}>{group.rows.map(one)}</tbody>
        ) : (
          <tbody key={`group ${group.prefix}`} class="overview-group">
            <GroupRow prefix={group.prefix} rows={group.rows} open={!folded.has(group.prefix)} />
            {folded.has(group.prefix) ? null : group.rows.map(one)}
          </tbody>
        ),
      )}
    </>
  );
}

function one(row: QueueRow): JSX.Element {
  return <Row key={row.name} row={row} />;
}
