/** One job: what it is, what has happened to it, and what can be done about it. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { part, post, serverNow, url, useApi } from "../api";
import { ask } from "../components/Dialog";
import { Empty } from "../components/Empty";
import { JsonTree } from "../components/JsonTree";
import { useCommands } from "../components/open";
import { toast } from "../components/Toast";
import { Trace } from "../components/Trace";
import { Visible } from "../components/Visible";
import { Icon, StateIcon } from "../icons";
import { busyKeys } from "../keys";
import { copyText } from "../lib/copy";
import { bytes, num, plural } from "../lib/format";
import { clock, span } from "../lib/time";
import { now } from "../live";
import { go, route, setQuery, toFlow, toJob, toQueue, withQuery } from "../router";
import type { Done, JobDetail, JobPage, Logs, Moment } from "../shapes";
import { lastList, may, zone } from "../state";
import { canBe } from "../states";
import { Banner, Broken, Button, Copy, lazy, Link, Loading, Menu, type MenuItem, nothing, Page, perform, Progress, Span, StatePill, type TabItem, Tabs, Time, useFollow } from "../ui";

const AddJob = lazy(() => import("../dialogs").then((module) => module.AddJob), nothing);
const EditData = lazy(() => import("../dialogs").then((module) => module.EditData), nothing);
const ChangeDelay = lazy(() => import("../dialogs").then((module) => module.ChangeDelay), nothing);
const ChangePriority = lazy(() => import("../dialogs").then((module) => module.ChangePriority), nothing);

type Asked = "edit" | "duplicate" | "delay" | "priority" | null;

export default function JobPage({ queue }: { queue: string }): JSX.Element {
  const { query } = route.value;
  const id = query.get("id") ?? "";
  const path = url(`/queues/${part(queue)}/job`, { id, whole: query.get("whole") });
  const { data: job, error, refresh } = useApi<JobDetail>(path, { live: queue });
  const [asked, setAsked] = useState<Asked>(null);
  const near = useNeighbours(queue, id);
  const back = lastList.value?.queue === queue ? lastList.value.back : toQueue(queue, { state: query.get("state") });
  useEffect(() => setAsked(null), [id]);

  const crumbs = (
    <>
      <Link to={back} data-up="">
        <Icon name="left" size={14} /> {queue}
      </Link>
      <span class="near">
        {near.before ? (
          <Link to={near.before} replace class="icon-button" aria-label="Previous job" title="Previous job (k)">
            <Icon name="up" />
          </Link>
        ) : null}
        {near.after ? (
          <Link to={near.after} replace class="icon-button" aria-label="Next job" title="Next job (j)">
            <Icon name="down" />
          </Link>
        ) : null}
      </span>
    </>
  );
  if (!job) {
    return (
      <Page title={`Job ${id}`} crumbs={crumbs}>
        {error?.status === 404 ? (
          <div class="card">
            <Empty title="There is no such job (any more)" action={<Link to={back} class="button" data-kind="plain">Back to {queue}</Link>}>
              Finished jobs may be removed by a rule of theirs, or by somebody.
            </Empty>
          </div>
        ) : error ? (
          <Broken error={error} retry={refresh} />
        ) : (
          <Loading rows={10} />
        )}
      </Page>
    );
  }
  const leave = () => go(near.after ?? near.before ?? back, { replace: true });
  const close = () => setAsked(null);
  const gone = error?.status === 404;
  return (
    <Page title={`${job.name} ${job.id}`} crumbs={crumbs} heading={<Heading job={job} />} actions={gone ? undefined : <Actions job={job} onAsk={setAsked} onRemoved={leave} />}>
      {gone ? <Banner kind="warn">This job is gone. What you see is what it was.</Banner> : null}
      {job.damaged ? <Banner kind="bad">This job can’t be read: {job.damaged}</Banner> : null}
      {job.will_fail ? <Banner kind="warn">The next worker fails it without running it: {job.will_fail}</Banner> : null}
      <Timeline job={job} />
      <div class="job">
        <Inside key={job.id} job={job} />
        <Facts job={job} />
      </div>
      {asked === "edit" ? <EditData job={job} retry={job.state === "failed" && may("retry")} onClose={close} /> : null}
      {asked === "duplicate" ? <AddJob queue={queue} name={job.name} data={job.data} options={job.options} like={job.id} onClose={close} /> : null}
      {asked === "delay" ? <ChangeDelay job={job} onClose={close} /> : null}
      {asked === "priority" ? <ChangePriority job={job} onClose={close} /> : null}
    </Page>
  );
}

// -------------------------------------------------------------------------------------------- the jobs around it

/** The jobs before and after this one in the list it was opened from. */
function useNeighbours(queue: string, id: string): { before: string | null; after: string | null } {
  const { query } = route.value;
  const [state, order, tab] = [query.get("state"), query.get("order"), query.get("tab")];
  const at = query.has("at") ? Number(query.get("at")) : null;
  const ids = lastList.value?.queue === queue ? lastList.value.ids : [];
  const here = ids.indexOf(id);
  const edge = here <= 0 || here === ids.length - 1;
  const from = at === null ? 0 : Math.max(0, at - 1);
  const { data } = useApi<JobPage>(state && at !== null && edge ? url(`/queues/${part(queue)}/jobs`, { state, start: from || null, count: 3, order }) : null, { every: 0 });

  const to = (other: string | undefined, place: number | null) => (other === undefined || other === id ? null : toJob(queue, other, { state, at: place, order, tab }));
  const found = data?.jobs.map((job) => job.id) ?? [];
  const there = found.indexOf(id);
  const step = (way: -1 | 1) => {
    const place = at === null ? null : at + way;
    if (here >= 0 && ids[here + way] !== undefined) return to(ids[here + way], place);
    return there >= 0 ? to(found[there + way], place) : null;
  };
  const near = { before: step(-1), after: step(1) };
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (busyKeys(event)) return;
      const next = event.key === "j" ? near.after : event.key === "k" ? near.before : null;
      if (next) go(next, { replace: true });
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [near.before, near.after]);
  return near;
}

// -------------------------------------------------------------------------------------------------- what can be done

function Heading({ job }: { job: JobDetail }): JSX.Element {
  return (
    <span class="job-heading">
      <Visible text={job.name || "(no name)"} />
      <span class="job-id mono">{job.id}</span>
      <Copy text={job.id} label="Copy the id" />
      <StatePill state={job.state} />
      {job.attempts > 1 || job.attempts_made > 1 ? (
        <span class="badge">
          {job.state === "failed" || job.state === "completed" ? "after " : ""}
          {plural(job.attempts_made, "attempt")} of {num(job.attempts)}
        </span>
      ) : null}
    </span>
  );
}

function Actions({ job, onAsk, onRemoved }: { job: JobDetail; onAsk: (what: Asked) => void; onRemoved: () => void }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const path = `/queues/${part(job.queue)}/job`;
  const act = async (action: string) => {
    setBusy(true);
    await perform(() => post<Done>(`${path}/${action}`, { id: job.id }));
    setBusy(false);
  };
  const remove = async () => {
    const children = job.children ? job.children.processed + job.children.unprocessed + job.children.failed + job.children.ignored : 0;
    const yes = await ask({
      title: "Remove this job?",
      text: (
        <>
          {job.name} <span class="mono">{job.id}</span> is removed with its data and logs{children > 0 ? `, and so are its ${plural(children, "child", "children")}` : ""}. This can’t be undone.
        </>
      ),
      confirm: children > 0 ? `Remove 1 job and ${plural(children, "child", "children")}` : "Remove 1 job",
      danger: true,
    });
    if (yes && (await perform(() => post<Done>(`${path}/remove`, { id: job.id }), { refresh: false }))) onRemoved();
  };
  const readable = may("view_data") && !job.masked && !job.data_cut && !job.damaged;
  const items: MenuItem[] = [];
  if (may("edit") && canBe("delay", job.state)) items.push({ text: "Change delay…", icon: "timer", run: () => onAsk("delay") });
  if (may("edit") && canBe("priority", job.state)) items.push({ text: "Change priority…", icon: "priority", run: () => onAsk("priority") });
  items.push({ text: "Copy link", icon: "link", run: () => void copyText(window.location.href).then((done) => done && toast("The link is copied.")) });
  useCommands([
    ...(may("retry") && canBe("retry", job.state) ? [{ label: "Retry this job", run: () => void act("retry") }] : []),
    ...(may("add") && readable ? [{ label: "Duplicate this job", run: () => onAsk("duplicate") }] : []),
  ]);
  return (
    <>
      {may("retry") && canBe("retry", job.state) ? (
        <Button kind={job.state === "failed" ? "primary" : "plain"} icon="retry" busy={busy} onClick={() => void act("retry")}>
          Retry
        </Button>
      ) : null}
      {may("promote") && canBe("promote", job.state) ? (
        <Button kind="primary" icon="play" busy={busy} onClick={() => void act("promote")} title="Run it now">
          Promote
        </Button>
      ) : null}
      {may("edit") && canBe("edit", job.state) && readable ? (
        <Button icon="edit" onClick={() => onAsk("edit")}>
          {job.state === "failed" && may("retry") ? "Edit data and retry" : "Edit data"}
        </Button>
      ) : null}
      {may("add") && readable ? (
        <Button icon="copy" onClick={() => onAsk("duplicate")}>
          Duplicate
        </Button>
      ) : null}
      {may("remove") && canBe("remove", job.state) ? (
        <Button icon="trash" onClick={() => void remove()}>
          Remove
        </Button>
      ) : null}
      <Menu label="More actions" items={items} />
    </>
  );
}

// ---------------------------------------------------------------------------------------------------------- timeline

const MOMENT: Record<Moment["what"], { word: string; state: string }> = {
  added: { word: "Added", state: "unknown" },
  due: { word: "Due", state: "delayed" },
  started: { word: "Started", state: "active" },
  finished: { word: "Completed", state: "completed" },
  failed: { word: "Failed", state: "failed" },
};

function between(before: Moment, after: Moment): string {
  const long = span(Math.max(0, after.at - before.at));
  if (after.what === "started") return `waited ${long}`;
  if (after.what === "due") return `delayed ${long}`;
  return before.what === "started" ? `ran ${long}` : long;
}

function Timeline({ job }: { job: JobDetail }): JSX.Element {
  void now.value;
  const last = job.timeline.at(-1);
  const runs = job.state === "active" && last;
  const waits = !runs && last && (job.state === "waiting" || job.state === "prioritized") ? last : null;
  return (
    <ol class="life" aria-label="Timeline">
      {job.timeline.map((moment, place) => {
        const before = job.timeline[place - 1];
        const { word, state } = MOMENT[moment.what] ?? { word: moment.what, state: "unknown" };
        return (
          <li key={`${moment.what} ${moment.at} ${place}`} class="life-step" data-state={state}>
            {before ? <span class="life-gap">{between(before, moment)}</span> : null}
            <span class="life-dot" aria-hidden="true">
              <StateIcon state={state === "unknown" ? "waiting" : state} size={12} />
            </span>
            <span class="life-what">{moment.text || word}</span>
            <span class="life-when">
              <time dateTime={new Date(moment.at).toISOString()}>{clock(moment.at, zone.value)}</time> · <Time at={moment.at} />
            </span>
          </li>
        );
      })}
      {runs || waits ? (
        <li class="life-step" data-state={runs ? "active" : job.state} data-open="true">
          <span class="life-gap">{span(Math.max(0, serverNow() - (runs || waits || { at: 0 }).at))} so far</span>
          <span class="life-dot" aria-hidden="true">
            <StateIcon state={job.state} size={12} />
          </span>
          <span class="life-what">{runs ? "Runs" : "Waits"}</span>
          <span class="life-when">now</span>
        </li>
      ) : null}
    </ol>
  );
}

// ------------------------------------------------------------------------------------------------------- what it has

function Inside({ job }: { job: JobDetail }): JSX.Element {
  const reason = job.failed_reason_whole ?? job.failed_reason;
  const failed = job.errors.length > 0 || Boolean(reason);
  const tabs: TabItem[] = [
    ...(failed ? [{ id: "errors", text: "Errors", count: Math.max(1, job.errors.length) }] : []),
    ...(may("view_data") ? [{ id: "data", text: "Data" }, { id: "result", text: "Result" }, { id: "logs", text: "Logs", count: job.log_count }] : []),
    { id: "options", text: "Options" },
  ];
  const wanted = route.value.query.get("tab");
  const usual = failed && job.state !== "completed" ? "errors" : may("view_data") ? (job.state === "completed" && job.return_value !== null ? "result" : "data") : "options";
  const chosen = tabs.find((tab) => tab.id === wanted)?.id ?? tabs.find((tab) => tab.id === usual)?.id ?? "options";
  return (
    <section class="card job-inside" aria-label="Job">
      <Tabs label="Job" items={tabs} chosen={chosen} panel="job-panel" onChoose={(tab) => setQuery({ tab }, { replace: true })} />
      <div role="tabpanel" id="job-panel" class="job-panel" aria-labelledby={`job-panel-${chosen}`} tabIndex={0}>
        {chosen === "errors" ? <Errors job={job} reason={reason} /> : null}
        {chosen === "data" ? <Data job={job} /> : null}
        {chosen === "result" ? (
          job.return_value === null || job.return_value === undefined ? (
            <Empty title={job.state === "completed" ? "It returned nothing" : "No result yet"}>{job.state === "completed" ? null : "What its processor returns comes here when it is completed."}</Empty>
          ) : (
            <JsonTree value={job.return_value} label="Result" />
          )
        ) : null}
        {chosen === "logs" ? <LogLines job={job} /> : null}
        {chosen === "options" ? <JsonTree value={job.options} label="Options" depth={3} /> : null}
      </div>
    </section>
  );
}

function Errors({ job, reason }: { job: JobDetail; reason: string | null }): JSX.Element {
  return (
    <>
      {reason && !job.errors.some((one) => one.message && reason.includes(one.message.split("\n")[0] ?? reason)) ? (
        <p class="job-reason">
          <Visible text={reason} lines />
        </p>
      ) : null}
      {job.errors.length > 0 ? <Trace errors={job.errors} /> : <p class="muted">No stack trace was kept.</p>}
    </>
  );
}

function Data({ job }: { job: JobDetail }): JSX.Element {
  return (
    <>
      {job.masked ? <p class="job-note muted">Some values are hidden, so they can’t be edited here.</p> : null}
      {job.data_cut ? (
        <p class="job-note">
          These are the first of {bytes(job.data_size)}.{" "}
          <Button kind="quiet" onClick={() => setQuery({ whole: "1" }, { replace: true })}>
            Load all
          </Button>
        </p>
      ) : null}
      <JsonTree value={job.data} label="Data" depth={3} />
    </>
  );
}

const LINES = 200;

function LogLines({ job }: { job: JobDetail }): JSX.Element {
  const [count, setCount] = useState(LINES);
  const { data, error, refresh } = useApi<Logs>(url(`/queues/${part(job.queue)}/job/logs`, { id: job.id, start: -count, count }), { live: job.queue, every: job.state === "active" ? 3_000 : 30_000 });
  const box = useFollow(data?.total ?? 0);
  if (!data) return error ? <Broken error={error} retry={refresh} /> : <Loading rows={4} />;
  if (data.total === 0) return <Empty title="No logs">Lines that its processor writes with job.log() come here, as they are written.</Empty>;
  return (
    <div class="logs" ref={box} tabIndex={0} role="log" aria-label="Logs">
      {data.start > 0 ? (
        <Button kind="quiet" icon="up" onClick={() => setCount(Math.min(count * 4, 5_000))}>
          {plural(data.start, "earlier line")}
        </Button>
      ) : null}
      <ol class="logs-lines">
        {data.lines.map((line, place) => (
          <li key={data.start + place} class="logs-line">
            <span class="logs-n" aria-hidden="true">
              {data.start + place + 1}
            </span>
            <span class="logs-text">
              <Visible text={line} lines />
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}

// ------------------------------------------------------------------------------------------------------------- facts

function Fact({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** The rule by which finished jobs stay, so that it reads after "Kept if done". */
function kept(rule: string): string {
  return rule === "all" ? "always" : rule;
}

function Facts({ job }: { job: JobDetail }): JSX.Element {
  const children = job.children;
  return (
    <section class="card job-facts" aria-label="Facts">
      <dl class="facts">
        {typeof job.progress === "number" && (job.progress > 0 || job.state === "active") ? (
          <Fact name="Progress">
            {num(Math.round(job.progress))}% <Progress value={job.progress} label="Progress" />
          </Fact>
        ) : null}
        <Fact name="Queue">
          <Link to={toQueue(job.queue)}>{job.queue}</Link>
        </Fact>
        {job.worker ? (
          <Fact name="Worker">
            <Visible text={job.worker} />
          </Fact>
        ) : null}
        <Fact name="Attempts">
          {num(job.attempts_made)} of {num(job.attempts)}
          {job.attempts_started > job.attempts_made ? `, started ${num(job.attempts_started)} times` : ""}
        </Fact>
        {job.stalled > 0 ? <Fact name="Stalled">{plural(job.stalled, "time")}</Fact> : null}
        {job.state === "delayed" || job.due ? (
          <Fact name="Due">
            <Time at={job.due} />
          </Fact>
        ) : null}
        {job.delay > 0 ? (
          <Fact name="Delay">
            <Span ms={job.delay} />
          </Fact>
        ) : null}
        <Fact name="Priority">{job.priority > 0 ? num(job.priority) : "none"}</Fact>
        {job.scheduler ? (
          <Fact name="Scheduler">
            <Link to={withQuery("/schedulers", { queue: job.queue, id: job.scheduler })}>{job.scheduler}</Link>
          </Fact>
        ) : null}
        {job.scheduled_for ? (
          <Fact name="Scheduled for">
            <Time at={job.scheduled_for} />
          </Fact>
        ) : null}
        {job.parent ? (
          <Fact name="Parent">
            <Link to={toJob(job.parent.queue, job.parent.id)}>
              {job.parent.queue} <span class="mono">{job.parent.id}</span>
            </Link>
          </Fact>
        ) : null}
        {children ? (
          <Fact name="Children">
            {[
              [children.processed, "done"],
              [children.unprocessed, "open"],
              [children.failed, "failed"],
              [children.ignored, "ignored"],
            ]
              .filter(([count]) => Number(count) > 0)
              .map(([count, word]) => `${num(Number(count))} ${word}`)
              .join(", ") || "none"}
          </Fact>
        ) : null}
        {job.parent || children ? (
          <Fact name="Flow">
            <Link to={toFlow(job.queue, job.id)}>Show the flow</Link>
          </Fact>
        ) : null}
        {job.deduplication ? <Fact name="Deduplication">{job.deduplication}</Fact> : null}
        <Fact name="Data">{bytes(job.data_size)}</Fact>
        {job.return_size > 0 ? <Fact name="Result">{bytes(job.return_size)}</Fact> : null}
        <Fact name="Kept if done">{kept(job.retention.on_complete)}</Fact>
        <Fact name="Kept if failed">{kept(job.retention.on_fail)}</Fact>
      </dl>
    </section>
  );
}
