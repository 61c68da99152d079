/** The latest runs of a scheduler: a bar each, as high as it took long, and a link to its job; an empty one where a run was left out. Arrow keys go from one to the next. */

import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";

import { serverNow } from "../api";
import { plural, visible } from "../lib/format";
import { exact, span } from "../lib/time";
import { href, toJob } from "../router";
import type { Run } from "../shapes";
import { zone } from "../state";
import { wordOf } from "../states";

const HEIGHT = 22;
const LATE_MS = 60_000;

export function Runs({ of, queue, history }: { of: string; queue: string; history: readonly Run[] }): JSX.Element {
  const list = useRef<HTMLUListElement>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  if (!history.length) return <span class="muted runs-none">none kept</span>;
  const longest = Math.max(1, ...history.map((run) => run.took ?? 0));
  const at = history.some((run) => run.id === chosen) ? chosen : history.at(-1)?.id;
  const onKey = (event: KeyboardEvent) => {
    const from = history.findIndex((run) => run.id === at);
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: history.length - 1 }[event.key];
    const next = to === undefined ? undefined : history[to];
    if (!next) return;
    event.preventDefault();
    event.stopPropagation();
    setChosen(next.id);
    list.current?.querySelectorAll<HTMLElement>(".runs-one")[to ?? 0]?.focus();
  };
  return (
    <ul class="runs" ref={list} aria-label={`Latest runs of ${visible(of)}: ${summary(history)}`} onKeyDown={onKey}>
      {history.map((run) => {
        const words = spoken(run);
        const about = { class: "runs-one", title: words, "aria-label": words, tabIndex: run.id === at ? 0 : -1, onFocus: () => setChosen(run.id) };
        const out = run.state === "missed" || !!run.skipped;
        const high = run.took === null || out ? HEIGHT * 0.4 : 4 + (HEIGHT - 4) * (Math.log1p(run.took) / Math.log1p(longest));
        const bar = (
          <svg width={7} height={HEIGHT} viewBox={`0 0 7 ${HEIGHT}`} aria-hidden="true">
            <rect x={out ? 0.5 : 0} y={HEIGHT - high} width={out ? 6 : 7} height={high - (out ? 0.5 : 0)} rx={1.5} />
          </svg>
        );
        if (run.state === "missed")
          return (
            <li key={run.id}>
              <span {...about} role="img" data-out>
                {bar}
              </span>
            </li>
          );
        const link = toJob(queue, run.id);
        return (
          <li key={run.id}>
            <a {...about} href={href(link)} data-go={link} data-state={run.state} data-late={isLate(run)} data-out={out ? "" : null}>
              {bar}
            </a>
          </li>
        );
      })}
    </ul>
  );
}

/** Whether it was due a while ago and has not begun. */
function isLate(run: Run): boolean {
  return ["waiting", "prioritized", "delayed"].includes(run.state) && run.at + LATE_MS < serverNow();
}

function spoken(run: Run): string {
  const due = `due ${exact(run.at, zone.value)}`;
  if (run.state === "missed") return `missed: no worker had taken the run before it, ${due}`;
  if (run.skipped) return `skipped: ${run.skipped === "missed" ? "a worker came too late for it" : "the one before it still ran"}, ${due}`;
  const took = run.took === null ? "" : `, ran ${span(run.took)}`;
  return `${wordOf(run.state)}${isLate(run) ? ", late" : ""}${took}, ${due}`;
}

function summary(history: readonly Run[]): string {
  const count = (fits: (run: Run) => boolean) => history.filter(fits).length;
  const [failed, missed, skipped] = [count((run) => run.state === "failed"), count((run) => run.state === "missed"), count((run) => !!run.skipped)];
  const parts = [plural(history.length - missed, "run"), failed ? `${failed} failed` : "none failed", missed && `${missed} missed`, skipped && `${skipped} skipped`];
  return parts.filter(Boolean).join(", ");
}
