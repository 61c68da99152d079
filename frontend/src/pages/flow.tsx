/** A job with its parents and children: where each is, as it happens. */

import type { JSX } from "preact";
import { useMemo } from "preact/hooks";

import { part, url, useApi } from "../api";
import { Empty } from "../components/Empty";
import { FlowGraph, FlowList, jobsOf, keyOf, partOf } from "../components/FlowGraph";
import { Visible } from "../components/Visible";
import { Icon, StateIcon } from "../icons";
import { middle, num, plural, visible } from "../lib/format";
import { go, route, setQuery, toJob, toQueue } from "../router";
import type { Flow, FlowNode } from "../shapes";
import { STATES, wordOf } from "../states";
import { Banner, Broken, Button, Copy, Link, Loading, Page, Progress, StatePill } from "../ui";

const NARROW = "(max-width: 720px)";

export default function FlowPage({ queue }: { queue: string }): JSX.Element {
  const { query } = route.value;
  const id = query.get("id") ?? "";
  const many = Number(query.get("children")) || 20;
  const { data, error, loading, refresh } = useApi<Flow>(url(`/queues/${part(queue)}/job/flow`, { id, children: many, whole: 1 }), { live: "*" });
  const jobs = useMemo(() => (data ? jobsOf(data.root) : []), [data]);
  const of = keyOf(data?.of ?? { queue, id });
  const chosen = query.get("at") ?? of;
  const node = jobs.find((one) => keyOf(one) === chosen) ?? jobs.find((one) => keyOf(one) === of) ?? jobs[0];
  const view = query.get("view") ?? (window.matchMedia(NARROW).matches ? "list" : "graph");
  const more = jobs.reduce((sum, one) => sum + one.more, 0);
  const View = view === "list" ? FlowList : FlowGraph;

  return (
    <Page
      title={`Flow of ${data ? visible(data.root.name) : id}`}
      heading="Flow"
      crumbs={
        <>
          <Link to={toQueue(queue)}>{queue}</Link>
          <span aria-hidden="true">/</span>
          <Link to={toJob(queue, id)} data-up="">
            job {middle(visible(id), 20)}
          </Link>
        </>
      }
      lead={data ? <Summary jobs={jobs} more={more} /> : undefined}
      actions={
        <>
          {more > 0 && many < 200 ? <Button onClick={() => setQuery({ children: Math.min(200, many * 3) }, { replace: true })}>Show more children</Button> : null}
          <div class="switch" role="group" aria-label="View">
            {(["graph", "list"] as const).map((one) => (
              <button key={one} type="button" aria-pressed={view === one} onClick={() => setQuery({ view: one }, { replace: true })}>
                {one === "graph" ? "Graph" : "List"}
              </button>
            ))}
          </div>
        </>
      }
    >
      {loading ? <Loading rows={8} /> : null}
      {error && !data ? error.status === 404 ? <Empty title="This job is gone">{error.message}</Empty> : <Broken error={error} retry={refresh} /> : null}
      {error?.status === 404 && data ? <Banner kind="warn">This job is gone. What you see is what its flow was.</Banner> : null}
      {data && node ? (
        <div class="flow-page">
          <View root={data.root} of={of} chosen={keyOf(node)} onChoose={(at) => setQuery({ at }, { replace: true })} onOpen={(one) => go(toJob(one.queue, one.id))} />
          <Chosen node={node} mine={keyOf(node) === of} />
        </div>
      ) : null}
    </Page>
  );
}

function Summary({ jobs, more }: { jobs: readonly FlowNode[]; more: number }): JSX.Element {
  const states = [...STATES.map(({ id }) => id), "unknown"];
  return (
    <span class="flow-sum">
      <span>{plural(jobs.length + more, "job")}</span>
      {states.map((state) => {
        const count = jobs.filter((job) => (STATES.some(({ id }) => id === job.state) ? job.state : "unknown") === state).length;
        return count ? (
          <span key={state} class="flow-sum-one" data-state={state}>
            <StateIcon state={state} size={13} /> {num(count)} {wordOf(state).toLowerCase()}
          </span>
        ) : null;
      })}
      {more ? <span>{num(more)} not shown</span> : null}
    </span>
  );
}

function Chosen({ node, mine }: { node: FlowNode; mine: boolean }): JSX.Element {
  const progress = partOf(node);
  return (
    <section class="card flow-chosen" aria-label="Chosen job" data-state={node.state}>
      <div class="flow-chosen-head">
        <h2>
          <Visible text={node.name} />
        </h2>
        <StatePill state={node.state} />
      </div>
      {progress === null ? null : <Progress value={progress} label="Progress" />}
      <dl class="facts">
        <dt>Queue</dt>
        <dd>
          <Link to={toQueue(node.queue)}>
            <Visible text={node.queue} />
          </Link>
        </dd>
        <dt>Id</dt>
        <dd class="flow-chosen-id">
          <span class="mono">
            <Visible text={node.id} />
          </span>
          <Copy text={node.id} label="Copy the id" />
        </dd>
        {node.children.length + node.more ? (
          <>
            <dt>Children</dt>
            <dd>
              <Summary jobs={node.children} more={node.more} />
            </dd>
          </>
        ) : null}
        {progress === null ? null : (
          <>
            <dt>Progress</dt>
            <dd>{Math.round(progress)} %</dd>
          </>
        )}
      </dl>
      {node.failed_reason ? (
        <p class="flow-chosen-why">
          <Visible text={node.failed_reason} lines />
        </p>
      ) : null}
      <Link to={toJob(node.queue, node.id)} class="button" data-kind={mine ? "plain" : "primary"}>
        Open this job <Icon name="right" size={14} />
      </Link>
    </section>
  );
}
