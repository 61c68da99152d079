/** A job in a list. */

import type { JSX } from "preact";

import { part, post } from "../api";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { middle, num } from "../lib/format";
import { route, toJob } from "../router";
import type { Done, JobRow } from "../shapes";
import { lastJob, may } from "../state";
import { canBe } from "../states";
import { IconButton, Link, perform } from "../ui";
import { isLeaving, removeLater } from "../undo";
import { Check } from "./check";
import type { Column } from "./columns";
import type { TableProps } from "./table";

interface Props extends TableProps {
  job: JobRow;
  at: number;
  picked: boolean;
  canPick: boolean;
  columns: readonly Column[];
  onPick: (at: number, on: boolean, range: boolean) => void;
}

export function Row({ queue, job, at, start, total, picked, canPick, columns, onPick, onChanged }: Props): JSX.Element {
  const order = route.value.query.get("order");
  const to = toJob(queue, job.id, total === null ? { state: job.state } : { state: job.state, at: start + at, order });
  const acts = <Acts queue={queue} job={job} onChanged={onChanged} />;
  const last = columns.findLastIndex((column) => column.size !== "fill");
  return (
    <tr data-picked={picked} data-leaving={isLeaving(queue, job.id)}>
      {canPick ? (
        <td class="jobs-pick">
          <Check label={`Select job ${job.id}`} on={picked} onChange={(on, range) => onPick(at, on, range)} />
        </td>
      ) : null}
      <th scope="row" class="jobs-job">
        <span class="jobs-title">
          <span class="jobs-name">
            <Link to={to} class="jobs-link" title={job.name} data-left={job.id === lastJob.value ? "" : undefined}>
              <Visible text={job.name || "(no name)"} />
            </Link>
            <Marks job={job} />
          </span>
          <span class="jobs-id mono" title={job.id}>
            {middle(job.id, 22)}
          </span>
        </span>
        {last < 0 ? acts : null}
      </th>
      {columns.map((column, place) => (
        <td key={column.id} class={column.size === "fill" ? "jobs-what" : "n"} data-label={column.head?.(job.state) ?? column.word} data-size={column.size}>
          {column.cell(job)}
          {place === last ? acts : null}
        </td>
      ))}
    </tr>
  );
}

/** What is done most, where the pointer is. */
function Acts({ queue, job, onChanged }: { queue: string; job: JobRow; onChanged: () => void }): JSX.Element {
  const act = async (action: string) => {
    if (await perform(() => post<Done>(`/queues/${part(queue)}/job/${action}`, { id: job.id }))) onChanged();
  };
  return (
    <span class="jobs-acts">
      {may("retry") && canBe("retry", job.state) ? <IconButton icon="retry" label={`Retry job ${job.id}`} onClick={() => void act("retry")} /> : null}
      {may("promote") && canBe("promote", job.state) ? <IconButton icon="play" label={`Promote job ${job.id}`} onClick={() => void act("promote")} /> : null}
      {may("remove") && canBe("remove", job.state) && job.state !== "waiting-children" ? <IconButton icon="trash" label={`Remove job ${job.id}`} onClick={() => removeLater(job)} /> : null}
    </span>
  );
}

function Marks({ job }: { job: JobRow }): JSX.Element {
  return (
    <>
      {job.priority > 0 ? (
        <span class="badge" title={`Priority ${job.priority}: lower runs sooner`}>
          p{num(job.priority)}
        </span>
      ) : null}
      {job.stalled > 0 ? (
        <span class="badge" data-kind="warn" title="Its worker was lost while it ran">
          stalled {num(job.stalled)}×
        </span>
      ) : null}
      {job.scheduler ? (
        <span class="jobs-mark" title={`By the scheduler ${job.scheduler}`}>
          <Icon name="schedulers" size={13} />
          <span class="sr">by the scheduler {job.scheduler}</span>
        </span>
      ) : null}
      {job.has_parent ? (
        <span class="jobs-mark" title="Part of a flow">
          <Icon name="flow" size={13} />
          <span class="sr">part of a flow</span>
        </span>
      ) : null}
    </>
  );
}
