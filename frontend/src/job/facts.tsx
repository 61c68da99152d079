/** What else is known of a job, beside what it holds. */

import type { ComponentChildren, JSX } from "preact";

import { Visible } from "../components/Visible";
import { bytes, num, plural } from "../lib/format";
import { toQueue } from "../router";
import type { JobDetail } from "../shapes";
import { Copy, Link, Progress, Span, Time } from "../ui";

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

/** How much room it takes, part by part. */
export function sizes(job: JobDetail): string {
  const traces = job.errors.reduce((sum, error) => sum + error.raw.length, 0);
  const parts: [number, string][] = [
    [job.data_size, "data"],
    [job.return_size, "result"],
    [traces, "errors"],
  ];
  return parts.filter(([size, word]) => size > 0 || word === "data").map(([size, word]) => `${bytes(size)} ${word}`).join(", ");
}

export function Facts({ job }: { job: JobDetail }): JSX.Element {
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
        <Run job={job} />
        <Waiting job={job} />
        <Fact name="Size">{sizes(job)}</Fact>
        <Fact name="Kept if done">{kept(job.retention.on_complete)}</Fact>
        <Fact name="Kept if failed">{kept(job.retention.on_fail)}</Fact>
      </dl>
    </section>
  );
}

function Run({ job }: { job: JobDetail }): JSX.Element {
  return (
    <>
      {job.worker ? (
        <Fact name="Worker">
          <Visible text={job.worker} />
        </Fact>
      ) : null}
      <Fact name="Attempts">
        {num(job.attempts_made)} of {num(job.attempts)}
        {job.attempts_started > job.attempts_made ? `, started ${plural(job.attempts_started, "time")}` : ""}
      </Fact>
      {job.stalled > 0 ? <Fact name="Stalled">{plural(job.stalled, "time")}</Fact> : null}
    </>
  );
}

function Waiting({ job }: { job: JobDetail }): JSX.Element {
  return (
    <>
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
      {job.scheduled_for ? (
        <Fact name="Scheduled for">
          <Time at={job.scheduled_for} />
        </Fact>
      ) : null}
      {job.deduplication ? (
        <Fact name="Deduplication">
          <span class="fact-copy">
            <Visible text={job.deduplication} />
            <Copy text={job.deduplication} label="Copy the deduplication id" />
          </span>
        </Fact>
      ) : null}
    </>
  );
}
