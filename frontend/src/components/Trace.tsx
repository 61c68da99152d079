/** Stack traces: of each attempt, with what changed from one to the next. */

import { useId, useState } from "preact/hooks";

import { copyText } from "../lib/copy";
import { changes, type Part } from "../lib/diff";
import { plural } from "../lib/format";
import { clock, span } from "../lib/time";
import type { Attempt, Frame } from "../shapes";
import { zone } from "../state";
import { Button, Tabs, Time } from "../ui";
import { Icon } from "../icons";
import { toast } from "./Toast";
import { Visible } from "./Visible";

interface Props {
  errors: readonly Attempt[];
  /** The number of the last attempt, and when it ran: of those before, the queue keeps no times. */
  attempt?: number;
  started?: number | null;
  finished?: number | null;
}

/** Why a job failed: each attempt with its stack, the frames of other people's code folded. */
export function Trace({ errors, attempt: last, started = null, finished = null }: Props) {
  const panel = `trace${useId().replace(/\W/g, "")}`;
  const newest = errors.reduce<Attempt | undefined>((best, one) => (!best || one.number > best.number ? one : best), undefined);
  const [chosen, setChosen] = useState<number | null>(null);
  const attempt = errors.find((one) => one.number === chosen) ?? newest;
  if (!attempt) return null;
  const before = errors.find((one) => one.number === attempt.number - 1);
  const when = (number: number) => (number === last && number === newest?.number ? finished : null);
  return (
    <div class="trace">
      {errors.length > 1 ? (
        <Tabs
          label="Failed attempts"
          panel={panel}
          chosen={String(attempt.number)}
          items={errors.map((one) => ({ id: String(one.number), text: tabWords(one.number, when(one.number)) }))}
          onChoose={(id) => setChosen(Number(id))}
        />
      ) : null}
      <div id={panel} {...(errors.length > 1 ? { role: "tabpanel", "aria-labelledby": `${panel}-${attempt.number}`, tabIndex: 0 } : {})}>
        <When at={when(attempt.number)} started={started} earlier={attempt.number !== newest?.number} />
        <One key={attempt.number} attempt={attempt} before={before} />
      </div>
    </div>
  );
}

function tabWords(number: number, at: number | null): string {
  return `Attempt ${number}${at === null ? "" : ` · ${clock(at, zone.value)}`}`;
}

/** When an attempt failed and how long it ran, as far as the queue keeps it. */
function When({ at, started, earlier }: { at: number | null; started: number | null; earlier: boolean }) {
  if (at === null) return earlier ? <p class="trace-when">When it failed is not kept: a queue knows the times of the last attempt only.</p> : null;
  return (
    <p class="trace-when">
      Failed <Time at={at} />
      {started !== null && at >= started ? `, after it had run ${span(at - started)}` : ""}.
    </p>
  );
}

function One({ attempt, before }: { attempt: Attempt; before: Attempt | undefined }) {
  const [raw, setRaw] = useState(false);
  const copy = async () => toast((await copyText(attempt.raw)) ? "Copied the stack trace" : "This browser does not let us copy");
  return (
    <>
      <div class="trace-head">
        <p class="trace-message">
          {attempt.kind ? <b class="trace-kind">{attempt.kind}</b> : null}
          <Visible text={attempt.message} lines />
        </p>
        <div class="trace-tools">
          {attempt.frames.length ? (
            <Button kind="quiet" onClick={() => setRaw(!raw)}>
              {raw ? "Frames" : "As text"}
            </Button>
          ) : null}
          <Button kind="quiet" icon="copy" onClick={() => void copy()}>
            Copy
          </Button>
        </div>
      </div>
      {before ? <Before before={before} attempt={attempt} /> : null}
      {raw || !attempt.frames.length ? (
        <pre class="trace-raw" tabIndex={0} role="region" aria-label="Stack trace">
          <Visible text={attempt.raw || "There is no stack trace."} lines />
        </pre>
      ) : (
        <ol class="trace-frames">
          {runs(attempt.frames).map((run, index) => (run.library ? <Folded key={index} frames={run.frames} /> : run.frames.map((frame, at) => <Line key={`${index}.${at}`} frame={frame} />)))}
        </ol>
      )}
    </>
  );
}

/** What has changed since the attempt before, word by word. */
function Before({ before, attempt }: { before: Attempt; attempt: Attempt }) {
  const [first, second] = [textOf(before), textOf(attempt)];
  if (first === second) return <p class="trace-before">The same as in attempt {before.number}.</p>;
  return (
    <p class="trace-before">
      Since attempt {before.number}: <Changes parts={changes(first, second)} />
    </p>
  );
}

/** A text with what was taken away and what has come. */
export function Changes({ parts }: { parts: readonly Part[] }) {
  return (
    <span class="changes">
      {parts.map((part, at) =>
        part.in === "both" ? (
          <Visible key={at} text={part.text} lines />
        ) : part.in === "first" ? (
          <del key={at} data-whole={parts.length === 2 && parts[1]?.in === "second" ? "" : undefined}>
            <Visible text={part.text} lines />
          </del>
        ) : (
          <ins key={at}>
            <Visible text={part.text} lines />
          </ins>
        ),
      )}
    </span>
  );
}

function textOf(attempt: Attempt): string {
  return attempt.kind && !attempt.message.startsWith(attempt.kind) ? `${attempt.kind}: ${attempt.message}` : attempt.message;
}

/** Frames in runs of our own code and of libraries. */
function runs(frames: readonly Frame[]): { library: boolean; frames: Frame[] }[] {
  const found: { library: boolean; frames: Frame[] }[] = [];
  for (const frame of frames) {
    const last = found.at(-1);
    if (last?.library === frame.library) last.frames.push(frame);
    else found.push({ library: frame.library, frames: [frame] });
  }
  return found;
}

function Folded({ frames }: { frames: Frame[] }) {
  const [open, setOpen] = useState(false);
  const places = [...new Set(frames.map((frame) => packageOf(frame.file)))].slice(0, 3).join(", ");
  return (
    <>
      <li class="trace-fold">
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Icon name={open ? "chevron" : "right"} size={12} />
          {plural(frames.length, "frame")} in <Visible text={places || "libraries"} />
        </button>
      </li>
      {open ? frames.map((frame, at) => <Line key={at} frame={frame} />) : null}
    </>
  );
}

function Line({ frame }: { frame: Frame }) {
  return (
    <li class="trace-frame" data-library={frame.library}>
      <div class="trace-where">
        {frame.function ? (
          <span class="trace-function">
            <Visible text={frame.function} />
          </span>
        ) : null}
        <span class="trace-file" title={frame.file}>
          <Visible text={shortened(frame.file)} />
          {frame.line === null ? null : <span class="trace-line">:{frame.line}</span>}
        </span>
      </div>
      {frame.code ? (
        <code class="trace-code">
          <Visible text={frame.code} />
        </code>
      ) : null}
    </li>
  );
}

/** Which package a file is of: `site-packages/redis`, `node_modules/ioredis`, `node:internal`. */
function packageOf(file: string): string {
  const path = file.replace(/\\/g, "/");
  const installed = /.*(?:site-packages|dist-packages|node_modules)\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
  if (installed) return installed.replace(/\.py$/, "");
  if (path.startsWith("node:")) return path.split("/")[0] ?? "node";
  return /\/(?:lib|Lib)\/python[\d.]*\/([^/]+)/.exec(path)?.[1]?.replace(/\.py$/, "") ?? path.split("/").slice(-2, -1)[0] ?? path;
}

/** The end of a path tells most. */
function shortened(file: string): string {
  const parts = file.split("/");
  return parts.length > 4 && file.length > 48 ? `…/${parts.slice(-3).join("/")}` : file;
}
