/** What belongs to a job: its flow, its scheduler, and others that are like it. */

import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";

import { part, url, useApi } from "../api";
import { Visible } from "../components/Visible";
import { Icon, type IconName } from "../icons";
import { format } from "../lib/filter";
import { clip, middle, num } from "../lib/format";
import { toCompare, toFlow, toJob, toQueue, withQuery } from "../router";
import type { JobDetail, JobRow, SearchPage } from "../shapes";
import { wordOf } from "../states";
import { Broken, Button, Link, Loading, StatePill, Time } from "../ui";

export function Related({ job }: { job: JobDetail }): JSX.Element {
  const like = alike(job.failed_reason);
  return (
    <section class="card job-related" aria-labelledby="related">
      <h2 id="related">Related</h2>
      <ul>
        <Family job={job} />
        {job.scheduler ? (
          <>
            <One icon="schedulers" to={withQuery("/schedulers", { queue: job.queue, id: job.scheduler })}>
              Scheduler <Visible text={job.scheduler} />
            </One>
            <One icon="clock" to={toQueue(job.queue, { state: "any", q: format({ text: `repeat:${job.scheduler}:` }) })}>
              Its other runs
            </One>
          </>
        ) : null}
        {job.state === "failed" && like ? (
          <One icon="failures" to={toQueue(job.queue, { state: "failed", q: format({ error: like }) })}>
            Failed with “<Visible text={clip(like, 34)} />”
          </One>
        ) : null}
        {job.name ? (
          <One icon="search" to={toQueue(job.queue, { state: job.state, q: format({ name: job.name }) })}>
            {wordOf(job.state)} and named <Visible text={clip(job.name, 30)} />
          </One>
        ) : null}
      </ul>
      {job.name ? <Latest key={job.id} job={job} /> : null}
    </section>
  );
}

/** The part of a message that others like it have too: what comes before numbers and quotes. */
export function alike(reason: string | null): string | null {
  const line = (reason ?? "").split("\n")[0] ?? "";
  const words = line.split(/[\d"'“<(]/, 1)[0]?.trim() ?? "";
  return words.length >= 4 ? words.slice(0, 120) : line.trim().slice(0, 120) || null;
}

function One({ icon, to, children }: { icon: IconName; to: string; children: ComponentChildren }): JSX.Element {
  return (
    <li>
      <Link to={to}>
        <Icon name={icon} size={14} />
        <span>{children}</span>
      </Link>
    </li>
  );
}

function Family({ job }: { job: JobDetail }): JSX.Element {
  const { parent, children } = job;
  const counts = children
    ? ([
        [children.processed, "done"],
        [children.unprocessed, "open"],
        [children.failed, "failed"],
        [children.ignored, "ignored"],
      ] as const)
        .filter(([count]) => count > 0)
        .map(([count, word]) => `${num(count)} ${word}`)
        .join(", ")
    : "";
  return (
    <>
      {parent ? (
        <One icon="up" to={toJob(parent.queue, parent.id)}>
          Parent {parent.queue} <span class="mono">{middle(parent.id, 18)}</span>
        </One>
      ) : null}
      {parent || children ? (
        <One icon="flow" to={toFlow(job.queue, job.id)}>
          Flow{counts ? `: children ${counts}` : ""}
        </One>
      ) : null}
    </>
  );
}

const SOME = 6;

/** The latest of the same name, when somebody asks: it takes a search. */
function Latest({ job }: { job: JobDetail }): JSX.Element {
  const [open, setOpen] = useState(false);
  const path = url(`/queues/${part(job.queue)}/search`, { name: job.name, count: SOME + 1, state: "failed,completed,active,delayed,waiting,prioritized" });
  const { data, error, refresh } = useApi<SearchPage>(open ? path : null, { every: 0 });
  if (!open) {
    return (
      <Button kind="quiet" icon="compare" onClick={() => setOpen(true)}>
        Compare with others like it
      </Button>
    );
  }
  if (!data) return error ? <Broken error={error} retry={refresh} /> : <Loading rows={3} />;
  const others = data.jobs.filter((one) => one.id !== job.id && one.name === job.name).slice(0, SOME);
  if (others.length === 0) return <p class="muted job-none">No other was found.</p>;
  return (
    <div class="job-others">
      <h3>Compare with</h3>
      <ul aria-label="Others like it">
        {others.map((one) => (
          <Other key={one.id} job={job} other={one} />
        ))}
      </ul>
    </div>
  );
}

function Other({ job, other }: { job: JobDetail; other: JobRow }): JSX.Element {
  return (
    <li>
      <Link to={toCompare(job, other)} title={other.id} aria-label={`Compare with job ${other.id}`}>
        <StatePill state={other.state} />
        <span class="mono job-other-id">{middle(other.id, 16)}</span>
        <span class="muted">
          <Time at={other.finished ?? other.started ?? other.created} />
        </span>
      </Link>
    </li>
  );
}
