/** How a job went, from being added to its end. */

import type { JSX } from "preact";

import { serverNow } from "../api";
import { StateIcon } from "../icons";
import { clock, span } from "../lib/time";
import { now } from "../live";
import type { JobDetail, Moment } from "../shapes";
import { zone } from "../state";
import { Time } from "../ui";

const MOMENT: Record<Moment["what"], { word: string; state: string }> = {
  added: { word: "Added", state: "unknown" },
  due: { word: "Due", state: "delayed" },
  started: { word: "Started", state: "active" },
  finished: { word: "Completed", state: "completed" },
  failed: { word: "Failed", state: "failed" },
};

/** What happened between two moments, and for how long. */
export function between(before: Moment, after: Moment): string {
  const long = span(Math.max(0, after.at - before.at));
  if (after.what === "started") return `waited ${long}`;
  if (after.what === "due") return `delayed ${long}`;
  return before.what === "started" ? `ran ${long}` : long;
}

export function Timeline({ job }: { job: JobDetail }): JSX.Element {
  void now.value;
  const last = job.timeline.at(-1);
  const runs = job.state === "active";
  const goes = last && (runs || job.state === "waiting" || job.state === "prioritized") ? last : null;
  return (
    <ol class="life" aria-label="Timeline">
      {job.timeline.map((moment, place) => (
        <Step key={`${moment.what} ${moment.at} ${place}`} moment={moment} before={job.timeline[place - 1]} />
      ))}
      {goes ? (
        <li class="life-step" data-state={job.state} data-open="true">
          <span class="life-gap">{span(Math.max(0, serverNow() - goes.at))} so far</span>
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

function Step({ moment, before }: { moment: Moment; before: Moment | undefined }): JSX.Element {
  const { word, state } = MOMENT[moment.what] ?? { word: moment.what, state: "unknown" };
  return (
    <li class="life-step" data-state={state}>
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
}
