/** What a bulk action would do, counted by the server, before it is begun. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { address, part, post } from "../api";
import { Dialog } from "../components/Dialog";
import { toast } from "../components/Toast";
import { said } from "../forms";
import { copyText } from "../lib/copy";
import { curl } from "../lib/curl";
import type { Json } from "../lib/exact";
import { plural } from "../lib/format";
import type { Preview, Task } from "../shapes";
import { tasks } from "../state";
import { Banner, Button, Loading, Time } from "../ui";
import { type BulkAction, type Chosen, VERBS } from "./chosen";

const AFTER: Record<BulkAction, string> = {
  retry: "They run again with the data they have.",
  promote: "They run as soon as workers are free, not when they are due.",
  remove: "They are gone then, with their data, logs and children. This can’t be undone.",
};

interface Props {
  queue: string;
  action: BulkAction;
  chosen: Chosen;
  onClose: (begun: boolean) => void;
}

export function BulkDialog({ queue, action, chosen, onClose }: Props): JSX.Element {
  const [preview, setPreview] = useState<Preview | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const path = `/queues/${part(queue)}/bulk`;
  const body: Record<string, Json> = chosen.ids ? { action, ids: chosen.ids } : { action, state: chosen.state ?? null, ...chosen.filter };
  useEffect(() => {
    post<Preview>(`${path}/preview`, body).then(setPreview, (problem: unknown) => setError(said(problem)));
  }, []);
  const begin = async () => {
    setBusy(true);
    try {
      const task = await post<Task>(path, body);
      tasks.value = [...tasks.value, task.id];
      onClose(true);
    } catch (problem) {
      setError(said(problem));
      setBusy(false);
    }
  };
  const copy = async () => toast((await copyText(curl(address(path), body))) ? "Copied as a call of the API." : "This browser does not let us copy.");
  const words = `${VERBS[action]} ${preview ? `${preview.exact ? "" : "at least "}${plural(preview.count, "job")}` : "jobs"}`;
  return (
    <Dialog
      title={words}
      onClose={() => onClose(false)}
      footer={
        <>
          <span class="dialog-aside">
            <Button kind="quiet" icon="code" onClick={() => void copy()}>
              Copy as API call
            </Button>
          </span>
          <Button onClick={() => onClose(false)}>Cancel</Button>
          <Button kind={action === "remove" ? "danger" : "primary"} busy={busy} disabled={!preview || preview.count === 0} onClick={() => void begin()}>
            {words}
          </Button>
        </>
      }
    >
      {error ? <Banner kind="bad">{error}</Banner> : null}
      {preview ? <Previewed queue={queue} chosen={chosen} preview={preview} after={AFTER[action]} /> : error ? null : <Loading rows={4} />}
    </Dialog>
  );
}

/** Which jobs they are, and some of them. */
function Previewed({ queue, chosen, preview, after }: { queue: string; chosen: Chosen; preview: Preview; after: string }): JSX.Element {
  return (
    <>
      <p>{preview.count === 0 ? "None of these jobs is there (any more)." : after}</p>
      <dl class="facts bulk-facts">
        <dt>Queue</dt>
        <dd>{queue}</dd>
        <dt>Which</dt>
        <dd>
          {chosen.state ? `all that are ${chosen.state.replace("-", " for ")}` : `the ${plural(chosen.ids?.length ?? 0, "job")} you selected`}
          {chosen.state && chosen.words ? (
            <>
              {" "}
              and fit <span class="mono">{chosen.words}</span>
            </>
          ) : null}
        </dd>
        <dt>Oldest</dt>
        <dd>
          <Time at={preview.oldest} />
        </dd>
        <dt>Newest</dt>
        <dd>
          <Time at={preview.newest} />
        </dd>
        <dt>Such as</dt>
        <dd>
          {preview.samples.map((job) => (
            <span key={job.id} class="bulk-sample">
              {job.name} <span class="mono muted">{job.id}</span>
            </span>
          ))}
        </dd>
      </dl>
      {preview.exact ? null : <p class="muted">There are too many to count them all at once. The action goes on until it has seen each of them.</p>}
    </>
  );
}
