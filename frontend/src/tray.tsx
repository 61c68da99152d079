/** Bulk actions under way in the server: how far they are, and how to stop them. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { part, post, refreshAll, useApi } from "./api";
import { num, plural } from "./lib/format";
import type { Task } from "./shapes";
import { may, tasks } from "./state";
import { Button, IconButton, perform, Progress } from "./ui";

const WORDS: Record<string, [doing: string, done: string]> = {
  retry: ["Retrying", "retried"],
  remove: ["Removing", "removed"],
  promote: ["Promoting", "promoted"],
};

export function Tray(): JSX.Element {
  return (
    <section class="tray" aria-label="Tasks">
      {tasks.value.map((id) => (
        <Row key={id} id={id} />
      ))}
    </section>
  );
}

function Row({ id }: { id: string }): JSX.Element | null {
  const [over, setOver] = useState(false);
  const { data: task, error } = useApi<Task>(`/tasks/${part(id)}`, { every: over ? 0 : 700 });
  const ended = Boolean(task?.ended) || error?.status === 404;
  useEffect(() => {
    if (!ended) return;
    setOver(true);
    refreshAll();
  }, [ended]);
  const close = () => (tasks.value = tasks.value.filter((one) => one !== id));
  if (!task) return null;
  const [doing, done] = WORDS[task.action] ?? [task.action, "done"];
  const seen = task.looked_at;
  const rest = [task.skipped ? `${num(task.skipped)} skipped` : "", task.failed ? `${num(task.failed)} refused` : ""].filter(Boolean).join(", ");
  return (
    <div class="task" data-ended={ended}>
      <div class="task-row">
        <strong role="status">
          {ended ? `${plural(task.done, "job")} ${done}${task.cancelled ? ", then stopped" : ""}` : `${doing} ${plural(task.total, "job")} in ${task.queue}`}
        </strong>
        {ended ? (
          <IconButton icon="close" label="Close" onClick={close} />
        ) : may("bulk") ? (
          <Button kind="quiet" onClick={() => void perform(() => post<Task>(`/tasks/${part(id)}/cancel`))}>
            Stop
          </Button>
        ) : null}
      </div>
      {ended ? null : <Progress value={task.total ? (seen / task.total) * 100 : 0} label={`${doing} ${plural(task.total, "job")}`} />}
      <p class="muted">
        {ended ? task.queue : `${num(seen)} of ${num(task.total)}`}
        {rest ? ` · ${rest}` : ""}
        {task.problem ? ` · ${task.problem}` : ""}
      </p>
    </div>
  );
}
