/** The overview: is anything wrong, and how is every queue? */

import type { JSX } from "preact";

import { useApi } from "../api";
import { Empty } from "../components/Empty";
import { Sparkline } from "../components/Sparkline";
import { Icon } from "../icons";
import { brief } from "../lib/time";
import { compact, num, plural } from "../lib/format";
import { connected, freshest, now } from "../live";
import { route, setQuery, toQueue } from "../router";
import { serverNow } from "../api";
import type { Attention, Overview, QueueRow } from "../shapes";
import { STATES, total } from "../states";
import { Broken, Button, Link, Loading, Page } from "../ui";

const FIRST = 4;
const MANY_QUEUES = 10;

export default function OverviewPage(): JSX.Element {
  const { data, error, refresh } = useApi<Overview>("/overview", { every: connected.value === "live" ? 10_000 : 5_000 });
  if (!data) return <Page title="Overview">{error ? <Broken error={error} retry={refresh} /> : <Loading rows={8} />}</Page>;
  const rows = data.queues.map((row) => freshest(row, data.now));
  return (
    <Page title="Overview" lead={<Lead rows={rows} attention={data.attention} />}>
      {data.attention.length > 0 ? <NeedsAttention items={data.attention} /> : null}
      {rows.length > 0 ? <Queues rows={rows} /> : <NoQueues />}
    </Page>
  );
}

function Lead({ rows, attention }: { rows: QueueRow[]; attention: Attention[] }): JSX.Element {
  const waiting = rows.reduce((sum, row) => sum + row.counts.waiting + row.counts.prioritized, 0);
  const active = rows.reduce((sum, row) => sum + row.counts.active, 0);
  return (
    <>
      {attention.length === 0 ? <strong class="well">All is well. </strong> : null}
      {plural(rows.length, "queue")}, {plural(waiting, "job")} waiting, {num(active)} active
    </>
  );
}

// ------------------------------------------------------------------------------------------------- needs attention

const WEIGHT = { high: 0, medium: 1, low: 2 } as const;

function NeedsAttention({ items }: { items: Attention[] }): JSX.Element {
  const all = route.value.query.get("all") === "1";
  const sorted = [...items].sort((a, b) => WEIGHT[a.severity] - WEIGHT[b.severity]);
  const shown = all || sorted.length <= FIRST + 1 ? sorted : sorted.slice(0, FIRST);
  return (
    <section class="attention" aria-labelledby="attention">
      <h2 id="attention">Needs attention</h2>
      <ul class="attention-list">
        {shown.map((item) => (
          <li key={`${item.kind} ${item.queue} ${item.state}`} class="attention-item" data-severity={item.severity}>
            <Icon name={item.severity === "low" ? "info" : "warn"} />
            <span class="attention-text">
              <span class="sr">{item.severity === "high" ? "Urgent: " : ""}</span>
              {item.text}
            </span>
            <Link to={targetOf(item)} class="attention-go">
              {wordsOf(item)}
              <Icon name="right" size={14} />
            </Link>
          </li>
        ))}
      </ul>
      {sorted.length > shown.length || all ? (
        <Button kind="quiet" onClick={() => setQuery({ all: all ? null : "1" }, { replace: true })}>
          {all ? "Show fewer" : `Show ${num(sorted.length - shown.length)} more`}
        </Button>
      ) : null}
    </section>
  );
}

function targetOf(item: Attention): string {
  if (item.kind === "redis_memory" || item.kind === "redis_policy") return "/redis";
  if (!item.queue) return item.kind === "failures" ? "/failures" : "/";
  return toQueue(item.queue, { state: item.state });
}

function wordsOf(item: Attention): JSX.Element {
  if (item.kind === "redis_memory" || item.kind === "redis_policy") return <>Open Redis</>;
  const of = item.queue ? <span class="sr"> in {item.queue}</span> : null;
  return item.state ? (
    <>
      View {item.state.replace("-", " ")}
      {of}
    </>
  ) : (
    <>Open queue{of}</>
  );
}

// ----------------------------------------------------------------------------------------------------------- queues

type Key = "name" | "oldest" | "rate" | "workers" | keyof QueueRow["counts"];

const VALUES: Record<"name" | "oldest" | "rate" | "workers", (row: QueueRow) => string | number> = {
  name: (row) => row.name,
  oldest: (row) => (row.oldest_waiting === null ? -1 : serverNow() - row.oldest_waiting),
  rate: (row) => rateOf(row) ?? -1,
  workers: (row) => row.workers ?? -1,
};

function valueOf(row: QueueRow, key: Key): string | number {
  return key in row.counts ? row.counts[key as keyof QueueRow["counts"]] : VALUES[key as "name"](row);
}

/** Done a minute, over the last five. */
function rateOf(row: QueueRow): number | null {
  const last = row.done_per_minute.slice(-5);
  return last.length === 0 ? null : last.reduce((sum, one) => sum + one, 0) / last.length;
}

function sorted(rows: QueueRow[], key: Key, down: boolean): QueueRow[] {
  const way = down ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [valueOf(a, key), valueOf(b, key)];
    const order = typeof x === "string" ? x.localeCompare(String(y)) : x - Number(y);
    return order * way || a.name.localeCompare(b.name);
  });
}

const SHORT: Record<string, string> = { "waiting-children": "Children" };

function Queues({ rows }: { rows: QueueRow[] }): JSX.Element {
  const { query } = route.value;
  const key = (query.get("sort") ?? "name") as Key;
  const down = query.get("dir") === "desc";
  const find = query.get("find") ?? "";
  const known = key in VALUES || rows.some((row) => key in row.counts);
  const shown = sorted(rows, known ? key : "name", down).filter((row) => row.name.toLowerCase().includes(find.trim().toLowerCase()));
  const head = (id: Key, text: string, title?: string, number = true) => {
    const on = id === key;
    return (
      <th scope="col" class={number ? "n" : undefined} aria-sort={on ? (down ? "descending" : "ascending") : undefined}>
        <button type="button" class="sort" title={title} onClick={() => setQuery(next(id, on, down), { replace: true })}>
          {text}
          {on ? <Icon name={down ? "down" : "up"} size={12} /> : null}
        </button>
      </th>
    );
  };
  return (
    <section aria-label="Queues" class="overview-queues">
      {rows.length > MANY_QUEUES || find ? (
        <input class="input overview-find" type="search" data-search aria-label="Find a queue" placeholder="Find a queue" value={find} onInput={(event) => setQuery({ find: event.currentTarget.value }, { replace: true })} />
      ) : null}
      <div class="sheet" tabIndex={0} role="region" aria-label="Table of queues">
        <table class="table overview-table cards" aria-label="Queues">
          <thead>
            <tr>
              {head("name", "Queue", undefined, false)}
              {STATES.map((state) => head(state.count, SHORT[state.id] ?? state.word, state.word))}
              {head("oldest", "Oldest", "How long the next job has waited")}
              {head("rate", "Last hour", "Done and failed, minute by minute; sorts by jobs done a minute", false)}
              {head("workers", "Workers")}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <Row key={row.name} row={row} />
            ))}
          </tbody>
        </table>
        {shown.length === 0 ? <Empty title={`No queue has “${find}” in its name`} /> : null}
      </div>
    </section>
  );
}

/** Names go up first, numbers down first; the second press turns it, the third goes back to names. */
function next(id: Key, on: boolean, down: boolean): Record<string, string | null> {
  if (id === "name") return { sort: null, dir: on && !down ? "desc" : null };
  if (!on) return { sort: id, dir: "desc" };
  return down ? { sort: id, dir: null } : { sort: null, dir: null };
}

function Row({ row }: { row: QueueRow }): JSX.Element {
  void now.value;
  const idle = row.workers === 0 && row.counts.waiting + row.counts.prioritized > 0;
  const rate = rateOf(row);
  return (
    <tr>
      <th scope="row" class="overview-name">
        <Link to={toQueue(row.name)} title={row.name}>
          {row.name}
        </Link>
        {row.paused ? (
          <span class="badge" data-state="paused">
            <Icon name="pause" size={11} />
            Paused
          </span>
        ) : null}
        {row.rate_limited_for > 0 ? (
          <span class="badge" data-kind="warn">
            Rate limited
          </span>
        ) : null}
      </th>
      {STATES.map((state) => (
        <Count key={state.id} row={row} state={state.id} count={row.counts[state.count]} label={SHORT[state.id] ?? state.word} />
      ))}
      <td class="n" data-label="Oldest waiting">
        {row.oldest_waiting === null ? <span class="muted">–</span> : brief(serverNow() - row.oldest_waiting)}
      </td>
      <td class="overview-hour" data-label="Last hour">
        {total(row.counts) > 0 && row.done_per_minute.length === 0 ? (
          <span class="muted" title="No worker counts: Worker(metrics=True) turns it on">
            not counted
          </span>
        ) : (
          <span class="overview-rate">
            <Sparkline done={row.done_per_minute} failed={row.failed_per_minute} />
            {rate === null ? null : <span title="Done a minute, over the last five">{rate > 0 && rate < 10 ? rate.toFixed(1) : compact(Math.round(rate))}/min</span>}
          </span>
        )}
      </td>
      <td class="n" data-label="Workers">
        {row.workers === null ? (
          <span class="muted" title="Redis does not let us look">
            ?
          </span>
        ) : idle ? (
          <span class="badge" data-kind="bad">
            None
          </span>
        ) : (
          num(row.workers)
        )}
      </td>
    </tr>
  );
}

function Count({ row, state, count, label }: { row: QueueRow; state: string; count: number; label: string }): JSX.Element {
  return (
    <td class="n overview-count" data-label={label} data-none={count === 0} data-state={state}>
      <span class="overview-both">
      {count === 0 ? (
        <span class="muted">0</span>
      ) : (
        <Link to={toQueue(row.name, { state })} title={`${num(count)} ${state.replace("-", " ")}`} aria-label={`${num(count)} ${state.replace("-", " ")} in ${row.name}`}>
          {compact(count)}
        </Link>
      )}
      {state === "active" && row.concurrency !== null ? <span class="muted" title="At most so many at once">/{compact(row.concurrency)}</span> : null}
      </span>
    </td>
  );
}

function NoQueues(): JSX.Element {
  return (
    <Empty title="No queues yet">
      A queue appears here when its first job is added or its first worker starts. If there should be some: is the dashboard connected to the right Redis, with the right prefix?
      <pre class="code">{`async with Queue("email") as queue:\n    await queue.add("welcome", {"to": "ada@example.org"})`}</pre>
    </Empty>
  );
}
