/** One queue: how it is, its jobs by state, what can be done with many of them. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { part, post, serverNow, useApi } from "../api";
import { useCommands } from "../components/open";
import { Sparkline } from "../components/Sparkline";
import { Icon, StateIcon } from "../icons";
import { compact, num } from "../lib/format";
import { brief, span } from "../lib/time";
import { connected, freshest, now } from "../live";
import { Jobs } from "../list";
import { route, setQuery, toQueue, withQuery } from "../router";
import type { Counts, Done, QueueDetail } from "../shapes";
import { may } from "../state";
import { STATES } from "../states";
import { Banner, Broken, Button, lazy, Link, Loading, Menu, type MenuItem, nothing, Page } from "../ui";
import { performUndoably } from "../undo";

const AddJob = lazy(() => import("../add-dialog").then((module) => module.AddJob), nothing);
const Limits = lazy(() => import("../queue-dialogs").then((module) => module.Limits), nothing);
const Empty = lazy(() => import("../queue-dialogs").then((module) => module.EmptyQueue), nothing);

const QueueCalls = lazy(() => import("../list/api-calls").then((module) => module.QueueCalls), nothing);

type Asked = "add" | "limits" | "drain" | "obliterate" | "calls" | null;

export default function QueuePage({ queue }: { queue: string }): JSX.Element {
  const { data, error, refresh } = useApi<QueueDetail>(`/queues/${part(queue)}`, { every: connected.value === "live" ? 10_000 : 5_000 });
  const [asked, setAsked] = useState<Asked>(null);
  const { query } = route.value;
  const state = query.get("state");
  const row = data ? freshest(data, data.now) : undefined;

  useEffect(() => {
    if (data && !state) setQuery({ state: firstState(data.counts) }, { replace: true });
  }, [data, state]);
  useCommands([
    ...(may("add") ? [{ label: "Add a job", hint: queue, run: () => setAsked("add") }] : []),
    ...(may("pause") && row ? [{ label: row.paused ? "Resume this queue" : "Pause this queue", hint: queue, run: () => void turn(queue, row.paused) }] : []),
  ]);

  const crumbs = (
    <Link to="/" data-up="">
      <Icon name="left" size={14} /> Overview
    </Link>
  );
  if (!row) {
    return (
      <Page title={queue} crumbs={crumbs}>
        {error ? <Broken error={error} retry={refresh} /> : <Loading rows={10} />}
      </Page>
    );
  }
  const close = () => setAsked(null);
  return (
    <Page title={queue} crumbs={crumbs} heading={<Heading row={row} />} actions={<Actions row={row} onAsk={setAsked} />}>
      {error?.status === 404 ? <Banner kind="warn">This queue is gone. What you see is what it was.</Banner> : null}
      <Strip row={row} />
      <Tiles queue={queue} counts={row.counts} chosen={state} />
      {state ? <Jobs key={queue} queue={queue} state={state} counts={row.counts} paused={row.paused} workers={row.workers} /> : null}
      {asked === "add" ? <AddJob queue={queue} onClose={close} /> : null}
      {asked === "calls" ? <QueueCalls queue={queue} paused={row.paused} onClose={close} /> : null}
      {asked === "limits" ? <Limits row={row} onClose={close} /> : null}
      {asked === "drain" || asked === "obliterate" ? <Empty row={row} how={asked} onClose={close} /> : null}
    </Page>
  );
}

/** What somebody who opens a queue wants to see: what failed, else what runs, else what waits. */
function firstState(counts: Counts): string {
  const order = ["failed", "active", "waiting", "prioritized", "delayed", "waiting-children", "completed"];
  const found = order.find((id) => STATES.some((state) => state.id === id && counts[state.count] > 0));
  return found ?? "waiting";
}

function turn(queue: string, paused: boolean): Promise<Done | null> {
  const set = (pause: boolean) => post<Done>(`/queues/${part(queue)}/${pause ? "pause" : "resume"}`);
  return performUndoably(() => set(!paused), () => set(paused));
}

function Heading({ row }: { row: QueueDetail }): JSX.Element {
  return (
    <span class="queue-heading">
      {row.name}
      {row.paused ? (
        <span class="pill" data-state="paused">
          <StateIcon state="paused" size={13} /> Paused
        </span>
      ) : null}
      {row.rate_limited_for > 0 ? (
        <span class="badge" data-kind="warn">
          Rate limited for {span(row.rate_limited_for)}
        </span>
      ) : null}
    </span>
  );
}

function Actions({ row, onAsk }: { row: QueueDetail; onAsk: (what: Asked) => void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const items: MenuItem[] = [{ text: "As API calls…", icon: "code", run: () => onAsk("calls") }];
  if (may("limits")) items.push({ text: "Limits…", icon: "limits", run: () => onAsk("limits") });
  if (may("drain")) items.push({ text: "Drain…", icon: "drain", danger: true, run: () => onAsk("drain") });
  if (may("obliterate")) items.push({ text: "Obliterate…", icon: "trash", danger: true, run: () => onAsk("obliterate") });
  const press = async () => {
    setBusy(true);
    await turn(row.name, row.paused);
    setBusy(false);
  };
  return (
    <>
      {may("pause") ? (
        <Button icon={row.paused ? "play" : "pause"} busy={busy} kind={row.paused ? "primary" : "plain"} onClick={() => void press()}>
          {row.paused ? "Resume" : "Pause"}
        </Button>
      ) : null}
      {may("add") ? (
        <Button icon="plus" onClick={() => onAsk("add")}>
          Add job
        </Button>
      ) : null}
      <Menu label="More actions" items={items} />
    </>
  );
}

/** One line of numbers that say how the queue is. */
function Strip({ row }: { row: QueueDetail }): JSX.Element {
  void now.value;
  const waits = row.counts.waiting + row.counts.prioritized;
  return (
    <dl class="strip">
      <Fact name="Workers">
        {row.workers === null ? (
          <span class="muted">?</span>
        ) : row.workers === 0 && waits > 0 ? (
          <span class="badge" data-kind="bad">
            None
          </span>
        ) : (
          <Link to={withQuery("/workers", { queue: row.name })}>{num(row.workers)}</Link>
        )}
      </Fact>
      <Fact name="At once">{row.concurrency === null ? "no limit" : `at most ${num(row.concurrency)}`}</Fact>
      {row.rate_limit ? (
        <Fact name="Rate">
          {num(row.rate_limit.max)} in {span(row.rate_limit.duration)}
        </Fact>
      ) : null}
      <Fact name="Next has waited">{row.oldest_waiting === null ? "–" : brief(serverNow() - row.oldest_waiting)}</Fact>
      <Fact name="Runs for" title="Half of the latest jobs ran no longer than the first, 95 of 100 no longer than the second">
        {row.p50 === null || row.p95 === null ? "–" : `${span(row.p50)} · p95 ${span(row.p95)}`}
      </Fact>
      <Fact name="Waits for" title="95 of 100 of the latest jobs waited no longer">
        {row.wait_p95 === null ? "–" : `p95 ${span(row.wait_p95)}`}
      </Fact>
      {row.schedulers > 0 ? (
        <Fact name="Schedulers">
          <Link to={withQuery("/schedulers", { queue: row.name })}>{num(row.schedulers)}</Link>
        </Fact>
      ) : null}
      <Fact name="Last hour">
        {row.done_per_minute.length > 0 ? (
          <Link to={withQuery("/metrics", { queue: row.name })} class="strip-spark">
            <Sparkline done={row.done_per_minute} failed={row.failed_per_minute} />
          </Link>
        ) : (
          <span class="muted" title="No worker counts: Worker(metrics=True) turns it on">
            not counted
          </span>
        )}
      </Fact>
    </dl>
  );
}

function Fact({ name, title, children }: { name: string; title?: string; children: ComponentChildren }): JSX.Element {
  return (
    <div class="strip-fact" title={title}>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Tiles({ queue, counts, chosen }: { queue: string; counts: Counts; chosen: string | null }): JSX.Element {
  const { query } = route.value;
  const kept = { q: query.get("q") };
  return (
    <nav aria-label="Job states" class="states">
      {STATES.map((state) => (
        <Link key={state.id} to={toQueue(queue, { state: state.id, ...kept })} class="state" data-state={state.id} data-none={counts[state.count] === 0} aria-current={state.id === chosen ? "page" : undefined}>
          <span class="state-word">
            <StateIcon state={state.id} />
            <span>{state.id === "waiting-children" ? <span title={state.word}>Children</span> : state.word}</span>
          </span>
          <span class="state-count" title={num(counts[state.count])}>
            {counts[state.count] < 1_000_000 ? num(counts[state.count]) : compact(counts[state.count])}
          </span>
        </Link>
      ))}
    </nav>
  );
}
