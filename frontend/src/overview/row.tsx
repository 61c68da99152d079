/** A queue in the overview, and a group of them. */

import type { JSX } from "preact";

import { serverNow } from "../api";
import { Sparkline } from "../components/Sparkline";
import { Icon } from "../icons";
import { compact, num, plural } from "../lib/format";
import { brief, span } from "../lib/time";
import { now } from "../live";
import { route, setQuery, toQueue } from "../router";
import type { QueueRow } from "../shapes";
import { favourites } from "../state";
import { STATES, total } from "../states";
import { Link } from "../ui";
import { perMinute, pin, rateOf } from "./sorting";

export const SHORT: Record<string, string> = { prioritized: "Priority", "waiting-children": "Children", completed: "Done" };

export function Row({ row }: { row: QueueRow }): JSX.Element {
  void now.value;
  return (
    <tr>
      <th scope="row" class="overview-name">
        <span class="overview-title">
          <Star name={row.name} />
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
        </span>
        <StateBar row={row} />
      </th>
      {STATES.map((state) => (
        <Count key={state.id} row={row} state={state.id} count={row.counts[state.count]} label={SHORT[state.id] ?? state.word} />
      ))}
      <td class="n" data-label="Oldest waiting">
        {row.oldest_waiting === null ? <span class="muted">–</span> : brief(serverNow() - row.oldest_waiting)}
      </td>
      <td class="n" data-label="Run">
        <Run row={row} />
      </td>
      <td class="overview-hour" data-label="Last hour">
        <Hour row={row} />
      </td>
      <td class="n" data-label="Workers">
        <WorkerCount row={row} />
      </td>
    </tr>
  );
}

/** How many jobs are in which state, as parts of one line. */
function StateBar({ row }: { row: QueueRow }): JSX.Element | null {
  const all = total(row.counts);
  if (all === 0) return null;
  let start = 0;
  return (
    <svg class="state-bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">
      {STATES.map((state) => {
        const share = (100 * row.counts[state.count]) / all;
        const part = share > 0 ? <rect key={state.id} data-state={state.id} x={start} width={share} height="1" /> : null;
        start += share;
        return part;
      })}
    </svg>
  );
}

function Run({ row }: { row: QueueRow }): JSX.Element {
  if (row.p50 === null || row.p95 === null) return <span class="muted">–</span>;
  return (
    <span class="overview-run" title={`Half of the latest finished jobs ran for ${span(row.p50)} or less, 95 % for ${span(row.p95)} or less`}>
      {span(row.p50)}
      <span class="muted">{span(row.p95)}</span>
    </span>
  );
}

function Star({ name }: { name: string }): JSX.Element {
  const on = favourites.value.includes(name);
  return (
    <button type="button" class="star" aria-pressed={on} aria-label={`Pin ${name}`} title={on ? "Pinned: stands first" : "Pin: stands first"} onClick={() => pin(name)}>
      <Icon name="star" size={14} />
    </button>
  );
}

function Hour({ row }: { row: QueueRow }): JSX.Element {
  const rate = rateOf(row);
  if (total(row.counts) > 0 && row.done_per_minute.length === 0) {
    return (
      <span class="muted" title="No worker counts: Worker(metrics=True) turns it on">
        not counted
      </span>
    );
  }
  return (
    <span class="overview-rate">
      <Sparkline done={row.done_per_minute} failed={row.failed_per_minute} />
      {rate === null ? null : <span title="Done a minute, over the last five">{perMinute(rate)}/min</span>}
    </span>
  );
}

function WorkerCount({ row }: { row: QueueRow }): JSX.Element {
  if (row.workers === null) {
    return (
      <span class="muted" title="Redis does not let us look">
        ?
      </span>
    );
  }
  if (row.workers > 0 || row.counts.waiting + row.counts.prioritized === 0) return <>{num(row.workers)}</>;
  return (
    <span class="badge" data-kind="bad">
      None
    </span>
  );
}

function Count({ row, state, count, label }: { row: QueueRow; state: string; count: number; label: string }): JSX.Element {
  return (
    <td class="n overview-count" data-label={label} data-none={count === 0} data-state={state}>
      <span class="overview-both">
        {count === 0 ? (
          <span class="muted">0</span>
        ) : (
          <Link to={toQueue(row.name, { state })} title={`${num(count)} ${state.replace("-", " ")}`} aria-label={spoken(row.name, state, count)}>
            {compact(count)}
          </Link>
        )}
        {state === "active" && row.concurrency !== null ? <span class="muted" title="At most so many at once">/{compact(row.concurrency)}</span> : null}
      </span>
    </td>
  );
}

/** What is read must have in it what is seen, for those who say it: "60k" is, and "60,000" is not. */
function spoken(queue: string, state: string, count: number): string {
  const [short, exact] = [compact(count), num(count)];
  return `${short}${short === exact ? "" : ` (${exact})`} ${state.replace("-", " ")} in ${queue}`;
}

/** The sums of a group, which folds. */
export function GroupRow({ prefix, rows, open }: { prefix: string; rows: readonly QueueRow[]; open: boolean }): JSX.Element {
  const turn = () => {
    const folded = (route.value.query.get("fold") ?? "").split(",").filter((one) => one && one !== prefix);
    setQuery({ fold: (open ? [...folded, prefix] : folded).join(",") }, { replace: true });
  };
  const oldest = rows.reduce<number | null>((least, row) => (row.oldest_waiting !== null && (least === null || row.oldest_waiting < least) ? row.oldest_waiting : least), null);
  const rates = rows.map(rateOf).filter((rate) => rate !== null);
  return (
    <tr class="overview-sums">
      <th scope="rowgroup" class="overview-name">
        <button type="button" class="fold" aria-expanded={open} onClick={turn}>
          <Icon name={open ? "chevron" : "right"} size={12} />
          {prefix} <span class="muted">{plural(rows.length, "queue")}</span>
        </button>
      </th>
      {STATES.map((state) => {
        const sum = rows.reduce((all, row) => all + row.counts[state.count], 0);
        return (
          <td key={state.id} class="n overview-count" data-label={SHORT[state.id] ?? state.word} data-none={sum === 0} data-state={state.id} title={num(sum)}>
            {compact(sum)}
          </td>
        );
      })}
      <td class="n" data-label="Oldest waiting">
        {oldest === null ? "–" : brief(serverNow() - oldest)}
      </td>
      <td class="n" data-label="Run" />
      <td class="overview-hour" data-label="Last hour">
        {rates.length > 0 ? `${perMinute(rates.reduce((all, rate) => all + rate, 0))}/min` : ""}
      </td>
      <td class="n" data-label="Workers">
        {rows.some((row) => row.workers === null) ? "?" : num(rows.reduce((all, row) => all + (row.workers ?? 0), 0))}
      </td>
    </tr>
  );
}
