import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { part, post, refreshAll, url, useApi } from "../api";
import { ask } from "../components/Dialog";
import { Empty } from "../components/Empty";
import { Sparkline } from "../components/Sparkline";
import { toast } from "../components/Toast";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { middle, num, plural, visible } from "../lib/format";
import { route, setQuery, toJob, toQueue } from "../router";
import type { FailureGroup, Failures, Preview, Task } from "../shapes";
import { may, tasks } from "../state";
import { Broken, Button, Link, Loading, Page, perform, Time } from "../ui";
import { QueueChoice } from "./choice";

/** Failed jobs by what went wrong: one row, one cause. */
export default function FailuresPage(): JSX.Element {
  const queue = route.value.query.get("queue");
  const { data, error, loading, refresh } = useApi<Failures>(url("/failures", { queue }), { every: 15_000 });
  const groups = data?.groups ?? [];
  return (
    <Page
      title="Failures"
      lead={data && data.total > 0 ? <Lead data={data} /> : "Failed jobs with the same cause stand together."}
      actions={<QueueChoice chosen={queue} onChoose={(name) => setQuery({ queue: name })} />}
    >
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && groups.length === 0 ? (
        <Empty title="Nothing has failed">{queue ? "No failed jobs are kept in this queue." : "No failed jobs are kept in any queue."} Jobs that fail and are removed at once don’t show up here.</Empty>
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

function Lead({ data }: { data: Failures }): JSX.Element {
  const all = data.looked_at >= data.total;
  return (
    <>
      {plural(data.total, "failed job")}, {plural(data.groups.length, "cause")}.{all ? "" : ` The newest ${num(data.looked_at)} were looked at.`}
    </>
  );
}

function Group({ group }: { group: FailureGroup }): JSX.Element {
  const [open, setOpen] = useState(false);
  const first = group.queues[0] ?? "";
  return (
    <li class="group">
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
          <b>{num(group.count)}</b>
          <span class="group-label">{group.count === 1 ? "job" : "jobs"}</span>
        </div>
        <div class="group-do">
          {may("retry") && may("bulk") ? (
            <Button icon="retry" onClick={() => void act(group, "retry")}>
              Retry
            </Button>
          ) : null}
          {may("remove") && may("bulk") ? (
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
          <div class="group-ids">
            <span class="muted">The newest in {first}:</span>
            {group.ids.map((id) => (
              <Link key={id} to={toJob(first, id)} class="mono">
                {middle(visible(id), 18)}
              </Link>
            ))}
            {group.queues.map((name) => (
              <Link key={name} to={toQueue(name, { state: "failed", fingerprint: group.fingerprint })} class="group-all">
                All in {name} <Icon name="right" size={13} />
              </Link>
            ))}
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
    return toast(error instanceof Error ? error.message : String(error), { kind: "bad" });
  }
  const hit = previews.filter(({ preview }) => preview.count > 0);
  const count = hit.reduce((sum, { preview }) => sum + preview.count, 0);
  const exact = hit.every(({ preview }) => preview.exact);
  if (!count) {
    refreshAll();
    return toast("No job is in this group any more.");
  }
  const [word, text] = WORDS[action];
  const number = `${exact ? "" : "at least "}${plural(count, "job")}`;
  const yes = await ask({ title: `${word} ${number}?`, text, confirm: `${word} ${number}`, danger: action === "remove", detail: <Detail hit={hit} message={group.message} /> });
  if (!yes) return;
  for (const { queue } of hit) {
    const task = await perform(() => post<Task>(`/queues/${part(queue)}/bulk`, filter));
    if (task) tasks.value = [...tasks.value, task.id];
  }
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
