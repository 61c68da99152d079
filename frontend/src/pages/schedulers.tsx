/** Jobs that come again and again: when, how often still, and what can be done with them. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { part, post, url, useApi } from "../api";
import { ask } from "../components/Dialog";
import { Empty } from "../components/Empty";
import { JsonTree } from "../components/JsonTree";
import { Runs } from "../components/Runs";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { num, plural, visible } from "../lib/format";
import { exact, here, span, when } from "../lib/time";
import { differ, inZone } from "../lib/zones";
import { now } from "../live";
import { serverNow } from "../api";
import { route, setQuery, toJob, toQueue } from "../router";
import type { Done, SchedulerRow, Schedulers } from "../shapes";
import { may, zone } from "../state";
import { performUndoably } from "../undo";
import { Broken, Button, IconButton, Link, lazy, Loading, Menu, nothing, Page, perform, Time } from "../ui";
import { QueueChoice } from "./choice";

const SchedulerDialog = lazy(() => import("./scheduler-dialog").then((module) => module.SchedulerDialog), nothing);

export default function SchedulersPage(): JSX.Element {
  const { query } = route.value;
  const queue = query.get("queue");
  const find = (query.get("find") ?? "").toLowerCase();
  const open = query.get("open");
  const { data, error, loading, refresh } = useApi<Schedulers>(url("/schedulers", { queue }), { every: 5000 });
  const [editing, setEditing] = useState<SchedulerRow | "new" | null>(null);
  const all = data?.schedulers ?? [];
  const shown = all.filter((one) => `${one.id} ${one.name} ${one.queue} ${one.words} ${one.cron ?? ""}`.toLowerCase().includes(find));
  const trouble = all.filter((one) => (one.late && !isPaused(one)) || one.problem).length;
  const paused = all.filter((one) => isPaused(one)).length;
  const counted = [all.length ? plural(all.length, "scheduler") : "", paused ? `${num(paused)} paused` : "", trouble ? `${num(trouble)} in trouble` : ""].filter(Boolean).join(", ");

  return (
    <Page
      title="Schedulers"
      lead={`${counted ? `${counted}. ` : ""}Times are ${zone.value === "utc" ? "in UTC" : `yours (${here()})`}.`}
      actions={
        <>
          {all.length > 6 ? (
            <input class="input find" type="search" data-search aria-label="Filter schedulers" placeholder="Filter schedulers" value={query.get("find") ?? ""} onInput={(event) => setQuery({ find: event.currentTarget.value }, { replace: true })} />
          ) : null}
          <QueueChoice chosen={queue} onChoose={(name) => setQuery({ queue: name })} />
          {may("schedulers") ? (
            <Button icon="plus" onClick={() => setEditing("new")}>
              New scheduler
            </Button>
          ) : null}
        </>
      }
    >
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && all.length === 0 ? (
        <Empty title="No schedulers">
          Jobs that come again and again, made by <code>Queue.upsert_scheduler</code> or by BullMQ, show up here with their next times.
        </Empty>
      ) : null}
      {all.length > 0 && shown.length === 0 ? <Empty title="No scheduler fits">{plural(all.length, "scheduler")} were looked at.</Empty> : null}
      {shown.length ? (
        <div class="sheet">
          <table class="table cards schedulers">
            <caption class="sr">Schedulers, those that run next first</caption>
            <thead>
              <tr>
                <th scope="col">Scheduler</th>
                <th scope="col">When</th>
                <th scope="col">Latest runs</th>
                <th scope="col">Next run</th>
                <th scope="col" class="n">
                  Runs
                </th>
                <th scope="col">
                  <span class="sr">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((one) => {
                const key = `${one.queue} ${one.id}`;
                return <Row key={key} one={one} open={open === key} onOpen={(yes) => setQuery({ open: yes ? key : null }, { replace: true })} onEdit={() => setEditing(one)} />;
              })}
            </tbody>
          </table>
        </div>
      ) : null}
      {editing ? <SchedulerDialog scheduler={editing === "new" ? null : editing} queue={queue} onClose={() => setEditing(null)} /> : null}
    </Page>
  );
}

interface RowProps {
  one: SchedulerRow;
  open: boolean;
  onOpen: (open: boolean) => void;
  onEdit: () => void;
}

function Row({ one, open, onOpen, onEdit }: RowProps): JSX.Element {
  const can = may("schedulers");
  return (
    <>
      <tr data-open={open} data-paused={isPaused(one)}>
        <th scope="row">
          <div class="scheduler-name">
            <IconButton icon={open ? "chevron" : "right"} label={`${open ? "Hide" : "Show"} details of ${visible(one.id)}`} pressed={open} onClick={() => onOpen(!open)} />
            <div class="two">
              <span class="scheduler-id">
                <Visible text={one.id} />
                <Marks one={one} />
              </span>
              <span class="muted">
                {one.name === one.id ? null : (
                  <>
                    <Visible text={one.name} /> in{" "}
                  </>
                )}
                <Link to={toQueue(one.queue)}>
                  <Visible text={one.queue} />
                </Link>
              </span>
            </div>
          </div>
        </th>
        <td data-label="When">
          <div class="two">
            <span>
              <Visible text={one.words} />
            </span>
            {one.cron && !one.words.includes(one.cron) ? <span class="mono muted">{visible(one.cron)}</span> : one.every && one.limit === null && one.end !== null ? <span class="muted">until {when(one.end, serverNow(), zone.value)}</span> : null}
          </div>
        </td>
        <td data-label="Latest runs">
          <Runs of={one.id} queue={one.queue} history={one.history ?? []} />
        </td>
        <td data-label="Next run">
          <Next one={one} />
        </td>
        <td data-label="Runs" class="n">
          <div class="two">
            <span>{num(one.runs ?? 0)}</span>
            {one.limit === null ? null : <span class="muted">of {num(one.limit)}</span>}
          </div>
        </td>
        <td class="scheduler-do">{can ? <Actions one={one} onEdit={onEdit} /> : null}</td>
      </tr>
      {open ? (
        <tr class="scheduler-more">
          <td colSpan={6}>
            <More one={one} />
          </td>
        </tr>
      ) : null}
    </>
  );
}

/** What can be done with it now: a paused one goes on, another one runs or is paused. */
function Actions({ one, onEdit }: { one: SchedulerRow; onEdit: () => void }): JSX.Element {
  const to = (verb: string) => () => post<Done>(`/queues/${part(one.queue)}/scheduler/${verb}`, { id: one.id });
  const steady = !one.ended && !one.problem && !one.legacy;
  return (
    <div class="scheduler-acts">
      {isPaused(one) ? (
        <Button icon="play" onClick={() => void performUndoably(to("resume"), to("pause"))}>
          Resume
        </Button>
      ) : (
        <>
          {one.ended || one.problem ? null : (
            <Button icon="bolt" onClick={() => void perform(to("run"))}>
              Run now
            </Button>
          )}
          {steady ? <IconButton icon="pause" label={`Pause ${visible(one.id)}`} onClick={() => void performUndoably(to("pause"), to("resume"))} /> : null}
        </>
      )}
      <Menu
        label={`More actions for ${visible(one.id)}`}
        items={[
          ...(one.legacy || isPaused(one) ? [] : [{ text: "Edit…", icon: "edit" as const, run: onEdit }]),
          { text: "Remove…", icon: "trash" as const, danger: true, run: () => void remove(one) },
        ]}
      />
    </div>
  );
}

function isPaused(one: SchedulerRow): one is SchedulerRow & { paused: number } {
  return typeof one.paused === "number";
}

function Marks({ one }: { one: SchedulerRow }): JSX.Element {
  return (
    <>
      {!isPaused(one) ? null : (
        <span class="badge" title={`Since ${exact(one.paused, zone.value)}. No run of it begins until it is resumed.`}>
          <Icon name="pause" size={12} /> paused
        </span>
      )}
      {one.late && !isPaused(one) ? (
        <span class="badge" data-kind="warn" title="Its run should have begun more than a minute ago. Is a worker connected?">
          <Icon name="warn" size={12} /> late
        </span>
      ) : null}
      {one.problem ? (
        <span class="badge" data-kind="bad" title={one.problem}>
          <Icon name="warn" size={12} /> can’t be read
        </span>
      ) : null}
      {one.ended ? <span class="badge" title="It has had all its runs, or its end has come.">ended</span> : null}
      {one.legacy ? <span class="badge" title="Made by version 5 of BullMQ or older. It runs on; to edit it, convert it first.">version 5</span> : null}
    </>
  );
}

function Next({ one }: { one: SchedulerRow }): JSX.Element {
  void now.value;
  if (isPaused(one))
    return (
      <span class="muted" title={`Paused since ${exact(one.paused, zone.value)}`}>
        paused since {when(one.paused, serverNow(), zone.value)}
      </span>
    );
  if (one.next === null) return <span class="muted">{one.ended ? "none any more" : "–"}</span>;
  return (
    <div class="two">
      <span data-late={one.late}>
        <Time at={one.next} />
      </span>
      <span class="muted">{when(one.next, serverNow(), zone.value)}</span>
    </div>
  );
}

const OVERLAPS: Record<string, string> = { allow: "the next one starts too", skip: "the next one is skipped" };
const MISSED: Record<string, string> = { once: "one runs late", skip: "they are skipped", all: "each runs late" };

function More({ one }: { one: SchedulerRow }): JSX.Element {
  const facts: [string, string][] = [];
  const mine = zone.value === "utc" ? "UTC" : here();
  const theirs = one.tz !== null && differ(one.tz, mine, one.upcoming) ? one.tz : null;
  if (one.tz) facts.push(["Zone", one.tz]);
  if (one.start) facts.push(["Starts", when(one.start, serverNow(), zone.value)]);
  if (one.end) facts.push(["Ends", when(one.end, serverNow(), zone.value)]);
  if (one.runs_left !== null) facts.push(["Runs to come", num(one.runs_left)]);
  if (one.offset) facts.push(["Offset", span(one.offset)]);
  if (one.jitter) facts.push(["Jitter", `up to ${span(one.jitter)}`]);
  facts.push(["If one still runs", OVERLAPS[one.overlap] ?? one.overlap], ["If runs were missed", MISSED[one.missed] ?? one.missed]);
  return (
    <div class="scheduler-details">
      {one.problem ? (
        <p class="scheduler-problem">
          <Visible text={one.problem} />
        </p>
      ) : null}
      <section aria-label="Next runs">
        <h2>Next runs</h2>
        {theirs === null ? null : (
          <p class="upcoming-zones">
            <span>{mine === "UTC" ? "UTC" : "Your time"}</span>
            <span>{theirs}</span>
          </p>
        )}
        {one.upcoming.length ? (
          <ol class="upcoming" data-zones={theirs !== null}>
            {one.upcoming.map((at, index) => (
              <li key={at}>
                <span title={exact(at, zone.value)}>{when(at, serverNow(), zone.value)}</span>
                {theirs === null ? null : <span>{inZone(at, theirs)}</span>}
                <span class="muted">{at > serverNow() ? `in ${span(at - serverNow())}` : "due"}</span>
                {index === 0 && one.next_job ? <Link to={toJob(one.queue, one.next_job)}>its job</Link> : null}
              </li>
            ))}
          </ol>
        ) : (
          <p class="muted">{!isPaused(one) ? "None." : "None while it is paused. Resumed, it goes on with its next time."}</p>
        )}
      </section>
      <section aria-label="Rules">
        <h2>Rules</h2>
        <dl class="facts">
          {facts.map(([name, value]) => (
            <>
              <dt>{name}</dt>
              <dd>
                <Visible text={value} />
              </dd>
            </>
          ))}
        </dl>
      </section>
      <section aria-label="Each run" class="scheduler-template">
        <h2>Data of each run</h2>
        {one.data === null ? <p class="muted">None, or hidden from you.</p> : <JsonTree value={one.data} label={`Data of ${visible(one.id)}`} depth={2} />}
        {one.options && Object.keys(one.options as object).length ? (
          <>
            <h2>Options</h2>
            <JsonTree value={one.options} label={`Options of ${visible(one.id)}`} depth={1} />
          </>
        ) : null}
      </section>
    </div>
  );
}

async function remove(one: SchedulerRow): Promise<void> {
  const yes = await ask({
    title: `Remove the scheduler ${visible(one.id)}?`,
    text: one.ended ? "It has no runs to come." : "Its next run goes with it, and no further one is added. A run that has begun goes on.",
    confirm: "Remove scheduler",
    danger: true,
    detail: (
      <dl class="facts">
        <dt>Queue</dt>
        <dd>
          <Visible text={one.queue} />
        </dd>
        <dt>When</dt>
        <dd>
          <Visible text={one.words} />
        </dd>
      </dl>
    ),
  });
  if (yes) await perform(() => post<Done>(`/queues/${part(one.queue)}/scheduler/remove`, { id: one.id }));
}
