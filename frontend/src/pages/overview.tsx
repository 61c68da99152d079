/** The overview: is anything wrong, and how is every queue? */

import type { JSX } from "preact";

import { useApi } from "../api";
import { Empty } from "../components/Empty";
import { Icon } from "../icons";
import { num, plural } from "../lib/format";
import { connected, freshest } from "../live";
import { Queues } from "../overview/queues";
import { perMinute, rateOf } from "../overview/sorting";
import { route, setQuery, toQueue } from "../router";
import type { Attention, Overview, QueueRow } from "../shapes";
import { Broken, Button, Link, Loading, Page } from "../ui";

const FIRST = 4;

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

/** How all of it is, in one line. */
function Lead({ rows, attention }: { rows: QueueRow[]; attention: Attention[] }): JSX.Element {
  const sum = (of: (row: QueueRow) => number) => rows.reduce((all, row) => all + of(row), 0);
  const paused = rows.filter((row) => row.paused).length;
  const failed = sum((row) => row.counts.failed);
  const counted = rows.some((row) => row.done_per_minute.length > 0);
  return (
    <span class="summary">
      {attention.length === 0 ? <strong class="well">All is well</strong> : null}
      <span>
        {plural(rows.length, "queue")}
        {paused > 0 ? `, ${num(paused)} paused` : ""}
      </span>
      <span>{num(sum((row) => row.counts.waiting + row.counts.prioritized))} waiting</span>
      <span>{num(sum((row) => row.counts.active))} active</span>
      <span>{num(sum((row) => row.counts.delayed))} delayed</span>
      {failed > 0 ? <Link to="/failures">{num(failed)} failed</Link> : <span>0 failed</span>}
      {counted ? <span title="Over the last five minutes">{perMinute(sum((row) => rateOf(row) ?? 0))} done a minute</span> : null}
    </span>
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

function NoQueues(): JSX.Element {
  return (
    <Empty title="No queues yet">
      A queue appears here when its first job is added or its first worker starts. If there should be some: is the dashboard connected to the right Redis, with the right prefix?
      <pre class="code">{`async with Queue("email") as queue:\n    await queue.add("welcome", {"to": "ada@example.org"})`}</pre>
    </Empty>
  );
}
