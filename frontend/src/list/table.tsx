/** The table of a list: its head, its rows, what is selected. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

import { route } from "../router";
import type { JobRow } from "../shapes";
import { lastList } from "../state";
import { Check } from "./check";
import { canPick } from "./chosen";
import { type Column, density, shownColumns } from "./columns";
import type { Props } from "./index";
import { Row } from "./row";
import { rowKeys } from "./row-keys";
import { Selected } from "./selected";
import { useSelection } from "./selection";

/** So many columns fit beside the job and one that takes the rest. */
const FIT = 5;

/** With so many, the job's own column is narrower. */
const WIDE = 4;

export interface TableProps extends Props {
  jobs: JobRow[];
  start: number;
  /** How many there are in all; null if that isn't known. */
  total: number | null;
  filter: Record<string, string>;
  words: string;
  stale: boolean;
  onPoint: (inside: boolean) => void;
  onChanged: () => void;
  empty: JSX.Element | null;
}

export function Table(props: TableProps): JSX.Element {
  const { queue, state, jobs, onPoint } = props;
  const body = useRef<HTMLTableSectionElement>(null);
  const selection = useSelection(jobs);
  const pick = canPick(state);
  const columns = shownColumns(state);
  useEffect(() => {
    if (jobs.length > 0) lastList.value = { queue, ids: jobs.map((job) => job.id), back: route.value.path + (route.value.query.size ? `?${route.value.query}` : "") };
  }, [jobs, queue, route.value]);
  useEffect(() => rowKeys(body), []);

  if (jobs.length === 0) return <div class="card">{props.empty}</div>;
  const beside = columns.filter((column) => column.size !== "fill").length;
  return (
    <>
      <div class="sheet jobs-sheet" data-many={beside > FIT}>
        <table class="table jobs-table" aria-label="Jobs" aria-busy={props.stale} data-dense={density.value === "dense"} data-wide={beside >= WIDE}>
          <Head state={state} columns={columns} pick={pick ? <Check label="Select all on this page" on={selection.here === jobs.length} some={selection.here > 0 && selection.here < jobs.length} onChange={selection.pickPage} /> : null} />
          <tbody ref={body} onPointerEnter={(event) => event.pointerType === "mouse" && onPoint(true)} onPointerLeave={() => onPoint(false)}>
            {jobs.map((job, at) => (
              <Row key={job.id} {...props} job={job} at={at} picked={selection.picked.has(job.id)} canPick={pick} columns={columns} onPick={selection.pick} />
            ))}
          </tbody>
        </table>
      </div>
      {selection.picked.size > 0 ? <Selected {...props} selection={selection} /> : null}
    </>
  );
}

function Head({ state, columns, pick }: { state: string; columns: readonly Column[]; pick: JSX.Element | null }): JSX.Element {
  return (
    <thead>
      <tr>
        {pick ? (
          <th scope="col" class="jobs-pick">
            {pick}
          </th>
        ) : null}
        <th scope="col" class="jobs-job">
          Job
        </th>
        {columns.map((column) => (
          <th key={column.id} scope="col" class={column.size === "fill" ? "jobs-what" : "n"} data-size={column.size}>
            {column.head?.(state) ?? column.word}
          </th>
        ))}
      </tr>
    </thead>
  );
}
