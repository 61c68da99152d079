/** What a job holds: why it failed, its data, its result, its logs, its options. */

import type { ComponentChildren, JSX } from "preact";

import { Empty } from "../components/Empty";
import { JsonTree } from "../components/JsonTree";
import { Trace } from "../components/Trace";
import { Visible } from "../components/Visible";
import { bytes } from "../lib/format";
import { route, setQuery } from "../router";
import type { JobDetail } from "../shapes";
import { may } from "../state";
import { Button, type TabItem, Tabs } from "../ui";
import { LogLines } from "./logs";
import type { Reveal } from "./whole";

export function Inside({ job, reveal }: { job: JobDetail; reveal: Reveal }): JSX.Element {
  const reason = reveal.shown?.failed_reason ?? job.failed_reason_whole ?? job.failed_reason;
  const failed = job.errors.length > 0 || Boolean(reason);
  const tabs: TabItem[] = [
    ...(failed ? [{ id: "errors", text: "Errors", count: Math.max(1, job.errors.length) }] : []),
    ...(may("view_data") ? [{ id: "data", text: "Data" }, { id: "result", text: "Result" }, { id: "logs", text: "Logs", count: job.log_count }] : []),
    { id: "options", text: "Options" },
  ];
  const wanted = route.value.query.get("tab");
  const chosen = (tabs.find((tab) => tab.id === wanted) ?? tabs.find((tab) => tab.id === usual(job, failed)) ?? tabs[0])?.id ?? "options";
  return (
    <section class="card job-inside" aria-label="Job">
      <Tabs label="Job" items={tabs} chosen={chosen} panel="job-panel" onChoose={(tab) => setQuery({ tab }, { replace: true })} />
      <div role="tabpanel" id="job-panel" class="job-panel" aria-labelledby={`job-panel-${chosen}`} tabIndex={0}>
        {chosen === "errors" ? <Errors job={job} reason={reason} /> : null}
        {chosen === "data" ? <Data job={job} reveal={reveal} /> : null}
        {chosen === "result" ? <Result job={job} reveal={reveal} /> : null}
        {chosen === "logs" ? <LogLines job={job} /> : null}
        {chosen === "options" ? (
          <Hidden job={job} reveal={reveal}>
            <JsonTree value={reveal.shown?.options ?? job.options} label="Options" depth={3} />
          </Hidden>
        ) : null}
      </div>
    </section>
  );
}

/** What somebody who opens a job most likely wants to see of it. */
function usual(job: JobDetail, failed: boolean): string {
  if (failed && job.state !== "completed") return "errors";
  if (!may("view_data")) return "options";
  return job.state === "completed" && job.return_value !== null ? "result" : "data";
}

function Errors({ job, reason }: { job: JobDetail; reason: string | null }): JSX.Element {
  return (
    <>
      {reason && !job.errors.some((one) => one.message && reason.includes(one.message.split("\n")[0] ?? reason)) ? (
        <p class="job-reason">
          <Visible text={reason} lines />
        </p>
      ) : null}
      {job.errors.length > 0 ? <Trace errors={job.errors} attempt={job.attempts_made} started={job.started} finished={job.finished} /> : <p class="muted">No stack trace was kept.</p>}
    </>
  );
}

/** Says that something is hidden, and shows it to those who may see it. */
function Hidden({ job, reveal, children }: { job: JobDetail; reveal: Reveal; children: ComponentChildren }): JSX.Element {
  return (
    <>
      {job.masked ? (
        <p class="job-note job-hidden" data-shown={reveal.shown !== null}>
          <span>{reveal.shown ? "Shown as it is stored. That you have looked is noted in the audit." : may("reveal") ? "Some values are hidden. Who reveals them is noted in the audit." : "Some values are hidden from you, so they can’t be edited."}</span>
          {reveal.shown ? (
            <Button kind="quiet" onClick={reveal.hide}>
              Hide again
            </Button>
          ) : may("reveal") && may("view_data") ? (
            <Button kind="quiet" icon="eye" busy={reveal.busy} onClick={() => void reveal.show()}>
              Reveal
            </Button>
          ) : null}
        </p>
      ) : null}
      {children}
    </>
  );
}

function Data({ job, reveal }: { job: JobDetail; reveal: Reveal }): JSX.Element {
  return (
    <Hidden job={job} reveal={reveal}>
      {job.data_cut ? (
        <p class="job-note">
          These are the first of {bytes(job.data_size)}.{" "}
          <Button kind="quiet" onClick={() => setQuery({ whole: "1" }, { replace: true })}>
            Load all
          </Button>
        </p>
      ) : null}
      <JsonTree value={reveal.shown ? reveal.shown.data : job.data} label="Data" depth={3} />
    </Hidden>
  );
}

function Result({ job, reveal }: { job: JobDetail; reveal: Reveal }): JSX.Element {
  const value = reveal.shown ? reveal.shown.return_value : job.return_value;
  if (value === null || value === undefined) {
    const done = job.state === "completed";
    return <Empty title={done ? "It returned nothing" : "No result yet"}>{done ? null : "What its processor returns comes here when it is completed."}</Empty>;
  }
  return (
    <Hidden job={job} reveal={reveal}>
      <JsonTree value={value} label="Result" />
    </Hidden>
  );
}
