/** One job: what it is, what has happened to it, and what can be done about it. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { part, url, useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { Actions, type Asked } from "../job/actions";
import { Facts } from "../job/facts";
import { Inside } from "../job/inside";
import { type Near, useNeighbours, wayBack } from "../job/neighbours";
import { Related } from "../job/related";
import { Timeline } from "../job/timeline";
import { useReveal, type Whole, wholeOf } from "../job/whole";
import { num, plural } from "../lib/format";
import { go, route } from "../router";
import type { JobDetail } from "../shapes";
import { lastJob, may } from "../state";
import { Banner, Broken, Button, Copy, lazy, Link, Loading, nothing, Page, StatePill } from "../ui";
import { isLeaving, keep, keyOf } from "../undo";

const AddJob = lazy(() => import("../add-dialog").then((module) => module.AddJob), nothing);
const EditData = lazy(() => import("../job/dialogs").then((module) => module.EditData), nothing);
const ChangeDelay = lazy(() => import("../job/dialogs").then((module) => module.ChangeDelay), nothing);
const ChangePriority = lazy(() => import("../job/dialogs").then((module) => module.ChangePriority), nothing);
const CancelJob = lazy(() => import("../job/dialogs").then((module) => module.CancelJob), nothing);
const JobCalls = lazy(() => import("../job/api-calls").then((module) => module.JobCalls), nothing);

export default function JobPage({ queue }: { queue: string }): JSX.Element {
  const { query } = route.value;
  const id = query.get("id") ?? "";
  const path = url(`/queues/${part(queue)}/job`, { id, whole: query.get("whole") });
  const { data: job, error, refresh } = useApi<JobDetail>(path, { live: queue });
  const near = useNeighbours(queue, id);
  const back = wayBack(queue);
  useEffect(() => {
    lastJob.value = id;
  }, [id]);
  const crumbs = <Crumbs queue={queue} back={back} near={near} />;
  if (job) return <Known key={id} job={job} crumbs={crumbs} gone={error?.status === 404} leave={() => go(near.after ?? near.before ?? back, { replace: true })} />;
  return (
    <Page title={`Job ${id}`} crumbs={crumbs}>
      {error?.status === 404 ? (
        <div class="card">
          <Empty
            title="There is no such job (any more)"
            action={
              <Link to={back} class="button" data-kind="plain">
                Back to {queue}
              </Link>
            }
          >
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

function Crumbs({ queue, back, near }: { queue: string; back: string; near: Near }): JSX.Element {
  return (
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
}

interface KnownProps {
  job: JobDetail;
  crumbs: JSX.Element;
  gone: boolean;
  leave: () => void;
}

function Known({ job, crumbs, gone, leave }: KnownProps): JSX.Element {
  const reveal = useReveal(job);
  const [asked, setAsked] = useState<{ what: Asked; whole: Whole | null } | null>(null);
  const ask = async (what: Asked) => {
    // To edit or to copy it, all of it is needed.
    const whole = what === "edit" || what === "duplicate" ? await wholeOf(job) : null;
    if (whole || (what !== "edit" && what !== "duplicate")) setAsked({ what, whole });
  };
  const out = isLeaving(job.queue, job.id);
  return (
    <Page title={`${job.name} ${job.id}`} crumbs={crumbs} heading={<Heading job={job} />} actions={gone || out ? undefined : <Actions job={job} onAsk={(what) => void ask(what)} onRemoved={leave} />}>
      {gone ? <Banner kind="warn">This job is gone. What you see is what it was.</Banner> : null}
      {out && !gone ? (
        <Banner kind="warn" action={<Button onClick={() => keep(keyOf(job.queue, job.id))}>Keep it</Button>}>
          This job is being removed.
        </Banner>
      ) : null}
      {job.damaged ? <Banner kind="bad">This job can’t be read: {job.damaged}</Banner> : null}
      {job.will_fail ? <Banner kind="warn">The next worker fails it without running it: {job.will_fail}</Banner> : null}
      <Timeline job={job} />
      <div class="job">
        <Inside job={job} reveal={reveal} />
        <div class="job-beside">
          <Facts job={job} />
          <Related job={job} />
        </div>
      </div>
      {asked ? <Question job={job} what={asked.what} whole={asked.whole} onClose={() => setAsked(null)} /> : null}
    </Page>
  );
}

function Question({ job, what, whole, onClose }: { job: JobDetail; what: Asked; whole: Whole | null; onClose: () => void }): JSX.Element | null {
  switch (what) {
    case "edit":
      return <EditData job={job} data={whole?.data} secret={whole?.secret ?? false} retry={job.state === "failed" && may("retry")} onClose={onClose} />;
    case "duplicate":
      return <AddJob queue={job.queue} name={job.name} data={whole?.data} options={whole?.options} like={job.id} onClose={onClose} />;
    case "delay":
      return <ChangeDelay job={job} onClose={onClose} />;
    case "priority":
      return <ChangePriority job={job} onClose={onClose} />;
    case "cancel":
      return <CancelJob job={job} onClose={onClose} />;
    case "calls":
      return <JobCalls job={job} onClose={onClose} />;
  }
}

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
