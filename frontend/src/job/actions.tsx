/** What can be done with a job: what is likely as buttons with words, the rest in a menu. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { part, post } from "../api";
import { ask } from "../components/Dialog";
import { useCommands } from "../components/open";
import { toast } from "../components/Toast";
import { copyText } from "../lib/copy";
import { plural } from "../lib/format";
import { go, toCompare } from "../router";
import type { Done, JobDetail } from "../shapes";
import { may } from "../state";
import { canBe } from "../states";
import { Button, Menu, type MenuItem, perform } from "../ui";
import { removeLater } from "../undo";
import { mayHaveWhole } from "./whole";

export type Asked = "edit" | "duplicate" | "delay" | "priority" | "cancel" | "calls";

interface Props {
  job: JobDetail;
  onAsk: (what: Asked) => void;
  onRemoved: () => void;
}

function childrenOf(job: JobDetail): number {
  const { children } = job;
  return children ? children.processed + children.unprocessed + children.failed + children.ignored : 0;
}

/** One job alone can be had back for a moment. With children it can't be told what all goes: then there is a question. */
async function remove(job: JobDetail, onRemoved: () => void): Promise<void> {
  const children = childrenOf(job);
  if (children === 0) {
    removeLater(job);
    onRemoved();
    return;
  }
  const them = plural(children, "child", "children");
  const yes = await ask({
    title: "Remove this job?",
    text: (
      <>
        {job.name} <span class="mono">{job.id}</span> is removed with its data and logs, and so are its {them}. This can’t be undone.
      </>
    ),
    confirm: `Remove 1 job and ${them}`,
    danger: true,
  });
  if (yes && (await perform(() => post<Done>(`/queues/${part(job.queue)}/job/remove`, { id: job.id }), { refresh: false }))) onRemoved();
}

export function Actions({ job, onAsk, onRemoved }: Props): JSX.Element {
  const [busy, setBusy] = useState(false);
  const act = async (action: string) => {
    setBusy(true);
    await perform(() => post<Done>(`/queues/${part(job.queue)}/job/${action}`, { id: job.id }));
    setBusy(false);
  };
  const can = (action: "retry" | "promote" | "remove" | "edit") => may(action) && canBe(action, job.state);
  const copies = may("add") && mayHaveWhole(job);
  useCommands([
    ...(can("retry") ? [{ label: "Retry this job", run: () => void act("retry") }] : []),
    ...(copies ? [{ label: "Duplicate this job", run: () => onAsk("duplicate") }] : []),
    { label: "Compare this job with another", run: () => go(toCompare(job, null)) },
  ]);
  return (
    <>
      {can("retry") ? (
        <Button kind={job.state === "failed" ? "primary" : "plain"} icon="retry" busy={busy} onClick={() => void act("retry")}>
          Retry
        </Button>
      ) : null}
      {can("promote") ? (
        <Button kind="primary" icon="play" busy={busy} onClick={() => void act("promote")} title="Run it now">
          Promote
        </Button>
      ) : null}
      {may("cancel") && job.state === "active" ? (
        <Button icon="stop" onClick={() => onAsk("cancel")}>
          Cancel
        </Button>
      ) : null}
      {can("edit") && mayHaveWhole(job) ? (
        <Button icon="edit" onClick={() => onAsk("edit")} title={job.masked ? "What is hidden is shown for it; that is noted in the audit" : undefined}>
          {job.state === "failed" && may("retry") ? "Edit data and retry" : "Edit data"}
        </Button>
      ) : null}
      {copies ? (
        <Button icon="copy" onClick={() => onAsk("duplicate")}>
          Duplicate
        </Button>
      ) : null}
      {can("remove") ? (
        <Button icon="trash" onClick={() => void remove(job, onRemoved)}>
          Remove
        </Button>
      ) : null}
      <Menu label="More actions" items={moreOf(job, onAsk)} />
    </>
  );
}

function moreOf(job: JobDetail, onAsk: (what: Asked) => void): MenuItem[] {
  const items: MenuItem[] = [];
  if (may("edit") && canBe("delay", job.state)) items.push({ text: "Change delay…", icon: "timer", run: () => onAsk("delay") });
  if (may("edit") && canBe("priority", job.state)) items.push({ text: "Change priority…", icon: "priority", run: () => onAsk("priority") });
  items.push({ text: "Compare with another…", icon: "compare", run: () => go(toCompare(job, null)) });
  items.push({ text: "Copy link", icon: "link", run: () => void copyText(window.location.href).then((done) => toast(done ? "The link is copied." : "This browser does not let us copy.")) });
  items.push({ text: "As API calls…", icon: "code", run: () => onAsk("calls") });
  return items;
}
