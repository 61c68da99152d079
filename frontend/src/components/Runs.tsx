/** The latest runs of a scheduler: a bar each, as high as it took long, and a link to its job. Arrow keys go from one to the next. */

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
    list.current?.querySelectorAll("a")[to ?? 0]?.focus();
  };
  return (
    <ul class="runs" ref={list} aria-label={`Latest runs of ${visible(of)}: ${summary(history)}`} onKeyDown={onKey}>
      {history.map((run) => {
        const link = toJob(queue, run.id);
        const words = spoken(run);
        const high = run.took === null ? HEIGHT * 0.4 : 4 + (HEIGHT - 4) * (Math.log1p(run.took) / Math.log1p(longest));
        return (
          <li key={run.id}>
            <a href={href(link)} data-go={link} class="runs-one" data-state={run.state} data-late={isLate(run)} title={words} aria-label={words} tabIndex={run.id === at ? 0 : -1} onFocus={() => setChosen(run.id)}>
              <svg width={7} height={HEIGHT} viewBox={`0 0 7 ${HEIGHT}`} aria-hidden="true">
                <rect y={HEIGHT - high} width={7} height={high} rx={1.5} />
              </svg>
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
  const took = run.took === null ? "" : `, ran ${span(run.took)}`;
  return `${wordOf(run.state)}${isLate(run) ? ", late" : ""}${took}, due ${exact(run.at, zone.value)}`;
}

function summary(history: readonly Run[]): string {
  const failed = history.filter((run) => run.state === "failed").length;
  return `${plural(history.length, "run")}, ${failed ? `${failed} failed` : "none failed"}`;
}
