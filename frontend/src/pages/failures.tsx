/** Failed jobs by what went wrong: one row, one cause. */

import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { part, post, refreshAll, url, useApi } from "../api";
import { ask } from "../components/Dialog";
import { Empty } from "../components/Empty";
import { Sparkline } from "../components/Sparkline";
import { toast } from "../components/Toast";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { middle, num, plural, visible } from "../lib/format";
import { ExportMenu } from "../list/export";
import { onTick } from "../live";
import { route, setQuery, toJob, toQueue, withQuery } from "../router";
import type { FailureGroup, Failures, Preview, Task } from "../shapes";
import { may, tasks } from "../state";
import { Broken, Button, Link, Loading, Page, perform, Time } from "../ui";
import { QueueChoice } from "./choice";

/** As many of the newest failed jobs as can be looked at. */
const ALL = 20_000;

/** Groups that something is being done with, by fingerprint: what, and how many there were. */
const under = signal<ReadonlyMap<string, { action: "retry" | "remove"; count: number }>>(new Map());

export default function FailuresPage(): JSX.Element {
  const { query } = route.value;
  const queue = query.get("queue");
  const { data, error, loading, refresh } = useApi<Failures>(url("/failures", { queue, count: query.get("count") }), { every: under.value.size ? 2_000 : 15_000 });
  const groups = data?.groups ?? [];
  useFailedNews(queue, refresh);
  useEffect(() => settle(groups), [data]);
  return (
    <Page
      title="Failures"
      lead={data && (data.total > 0 || groups.length) ? <Lead data={data} /> : "Failed jobs with the same cause stand together."}
      actions={<QueueChoice chosen={queue} onChoose={(name) => setQuery({ queue: name })} />}
    >
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && groups.length === 0 ? (
        <Empty title="Nothing has failed">
          {queue ? "No failed jobs are kept in this queue." : "No failed jobs are kept in any queue."} Jobs that fail and are removed at once show up here only if workers count them: <code>Worker(…, recorder=True)</code>.
        </Empty>
      ) : null}
      {groups.length ? (
        <ul class="groups">
          {groups.map((group) => (
            <Group key={group.fingerprint} group={group} />
          ))}
        </ul>
      ) : null}
    </Page>
  );
}

/** Ask again soon after the number of failed jobs has changed. */
function useFailedNews(queue: string | null, refresh: () => void): void {
  const latest = useRef(refresh);
  latest.current = refresh;
  useEffect(() => {
    const before = new Map<string, number>();
    let later: number | undefined;
    const stop = onTick((_names, tick) => {
      let news = false;
      for (const { name, counts } of tick.queues) {
        if (queue !== null && name !== queue) continue;
        news ||= before.has(name) && before.get(name) !== counts.failed;
        before.set(name, counts.failed);
      }
      if (news && later === undefined) {
        later = window.setTimeout(() => {
          later = undefined;
          latest.current();
        }, 2_000);
      }
    });
    return () => {
      stop();
      window.clearTimeout(later);
    };
  }, [queue]);
}

/** Forget what was under way with groups that have changed, or are gone. */
function settle(groups: readonly FailureGroup[]): void {
  if (!under.value.size) return;
  const left = [...under.value].filter(([fingerprint, { count }]) => groups.some((group) => group.fingerprint === fingerprint && group.count === count));
  if (left.length < under.value.size) under.value = new Map(left);
}

function Lead({ data }: { data: Failures }): JSX.Element {
  const all = data.looked_at >= data.total;
  const recorded = data.groups.reduce((sum, group) => sum + (group.recorded ?? 0), 0);
  return (
    <>
      {plural(data.total, "failed job")}, {plural(data.groups.length, "cause")}
      {recorded ? `; workers counted ${num(recorded)} in 24 hours` : ""}.
      {all ? null : (
        <>
          {" "}
          The newest {num(data.looked_at)} were looked at{data.looked_at < ALL ? <>; <Link to={withQuery("/failures", { queue: route.value.query.get("queue"), count: ALL })}>look at up to {num(ALL)}</Link></> : null}.
        </>
      )}
    </>
  );
}

function Group({ group }: { group: FailureGroup }): JSX.Element {
  const [open, setOpen] = useState(false);
  const first = group.queues[0] ?? "";
  const gone = group.count === 0;
  const doing = under.value.get(group.fingerprint)?.action;
  const export_ = may("export") && !gone;
  return (
    <li class="group" aria-busy={doing !== undefined} data-gone={gone}>
      <div class="group-main">
        <button type="button" class="group-open" aria-expanded={open} aria-label={`Details of ${visible(group.kind || group.message)}`} onClick={() => setOpen(!open)}>
          <Icon name={open ? "chevron" : "right"} size={14} />
        </button>
        <div class="group-what">
          <p class="group-message" onClick={() => setOpen(!open)}>
            {group.kind ? <b class="group-kind"><Visible text={group.kind} /></b> : null}
            <span>
              <Visible text={group.message} />
            </span>
          </p>
          <p class="group-where">
            {group.queues.slice(0, 3).map((name) => (
              <Link key={name} to={toQueue(name, { state: "failed", fingerprint: group.fingerprint })}>
                <Visible text={name} />
              </Link>
            ))}
            {group.queues.length > 3 ? <span>and {plural(group.queues.length - 3, "other queue")}</span> : null}
            <span class="group-names">
              {group.names.slice(0, 3).map((name) => (
                <span key={name} class="badge">
                  <Visible text={name} />
                </span>
              ))}
              {group.names.length > 3 ? <span>+{num(group.names.length - 3)}</span> : null}
            </span>
          </p>
        </div>
        <div class="group-trend">
          <Sparkline done={[]} failed={group.per_hour} unit="hour" width={110} height={28} />
          <span class="group-label">last 24 h</span>
        </div>
        <div class="group-seen">
          <span>
            <Time at={group.last} />
          </span>
          <span class="group-label">
            since <Time at={group.first} />
          </span>
        </div>
        <div class="group-count">
          <b>{num(gone ? (group.recorded ?? 0) : group.count)}</b>
          <span class="group-label">{gone ? "counted" : group.count === 1 ? "job" : "jobs"}</span>
          {!gone && group.recorded !== null && group.recorded > group.count ? (
            <span class="group-label" title="Workers counted so many in 24 hours; some of these jobs are gone">
              {num(group.recorded)} counted
            </span>
          ) : null}
        </div>
        <div class="group-do">
          {doing ? <span class="muted">{doing === "retry" ? "Retrying…" : "Removing…"}</span> : gone ? <span class="muted group-gone">Their jobs are gone.</span> : null}
          {!doing && !gone && may("retry") && may("bulk") ? (
            <Button icon="retry" onClick={() => void act(group, "retry")}>
              Retry
            </Button>
          ) : null}
          {!doing && !gone && may("remove") && may("bulk") ? (
            <Button kind="quiet" icon="trash" onClick={() => void act(group, "remove")}>
              Remove
            </Button>
          ) : null}
        </div>
      </div>
      {open ? (
        <div class="group-more">
          <pre class="group-example" tabIndex={0} role="region" aria-label="An example">
            <Visible text={group.example} lines />
          </pre>
          {gone ? (
            <p class="muted">
              Workers counted {plural(group.recorded ?? 0, "failure")} of this kind in 24 hours. The jobs were removed since, or tried again.
            </p>
          ) : null}
          <div class="group-ids">
            {group.ids.length ? <span class="muted">The newest in {first}:</span> : null}
            {group.ids.map((id) => (
              <Link key={id} to={toJob(first, id)} class="mono">
                {middle(visible(id), 18)}
              </Link>
            ))}
            {gone ? null : group.queues.map((name) => (
              <Link key={name} to={toQueue(name, { state: "failed", fingerprint: group.fingerprint })} class="group-all">
                All in {name} <Icon name="right" size={13} />
              </Link>
            ))}
            {export_ ? group.queues.slice(0, 3).map((name) => <ExportMenu key={name} queue={name} what={`This group in ${name}`} query={{ state: "failed", fingerprint: group.fingerprint }} count={group.queues.length === 1 ? group.count : null} text={group.queues.length === 1 ? "Export" : `Export from ${name}`} />) : null}
          </div>
        </div>
      ) : null}
    </li>
  );
}

const WORDS = { retry: ["Retry", "They run again from the start of the queue’s line, with all their attempts."], remove: ["Remove", "They are gone for good, with their data and logs."] } as const;

/** Say how many there are, ask, and let the server do it; the tray shows how far it is. */
async function act(group: FailureGroup, action: "retry" | "remove"): Promise<void> {
  const filter = { action, state: "failed", fingerprint: group.fingerprint };
  let previews: { queue: string; preview: Preview }[];
  try {
    previews = await Promise.all(group.queues.map(async (queue) => ({ queue, preview: await post<Preview>(`/queues/${part(queue)}/bulk/preview`, filter) })));
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), { kind: "bad" });
    return;
  }
  const hit = previews.filter(({ preview }) => preview.count > 0);
  const count = hit.reduce((sum, { preview }) => sum + preview.count, 0);
  const exact = hit.every(({ preview }) => preview.exact);
  if (!count) {
    refreshAll();
    toast("No job is in this group any more.");
    return;
  }
  const [word, text] = WORDS[action];
  const number = `${exact ? "" : "at least "}${plural(count, "job")}`;
  const yes = await ask({ title: `${word} ${number}?`, text, confirm: `${word} ${number}`, danger: action === "remove", detail: <Detail hit={hit} message={group.message} /> });
  if (!yes) return;
  const begun = (await Promise.all(hit.map(({ queue }) => perform(() => post<Task>(`/queues/${part(queue)}/bulk`, filter))))).filter((task) => task !== null);
  if (begun.length === 0) return;
  tasks.value = [...tasks.value, ...begun.map((task) => task.id)];
  under.value = new Map(under.value).set(group.fingerprint, { action, count: group.count });
  // If nothing came of it, as when a worker was quicker, nothing changes that would tell.
  window.setTimeout(() => (under.value = new Map([...under.value].filter(([fingerprint]) => fingerprint !== group.fingerprint))), 30_000);
}

function Detail({ hit, message }: { hit: { queue: string; preview: Preview }[]; message: string }): JSX.Element {
  return (
    <div class="bulk-detail">
      <p class="bulk-message">
        <Visible text={message} />
      </p>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">Queue</th>
            <th scope="col" class="n">
              Jobs
            </th>
            <th scope="col">Oldest</th>
            <th scope="col">Newest</th>
          </tr>
        </thead>
        <tbody>
          {hit.map(({ queue, preview }) => (
            <tr key={queue}>
              <th scope="row">{queue}</th>
              <td class="n">
                {preview.exact ? "" : "≥ "}
                {num(preview.count)}
              </td>
              <td>
                <Time at={preview.oldest} />
              </td>
              <td>
                <Time at={preview.newest} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="muted bulk-samples">
        Such as{" "}
        {hit
          .flatMap(({ preview }) => preview.samples)
          .slice(0, 3)
          .map((job, index) => (
            <>
              {index ? ", " : ""}
              <Visible text={job.name} /> <span class="mono">{middle(visible(job.id), 14)}</span>
            </>
          ))}
      </p>
    </div>
  );
}
