/** Which queue a page is about; null for all. */

import type { JSX } from "preact";

import { queueNames } from "../state";

export function QueueChoice({ chosen, onChoose, all = "All queues" }: { chosen: string | null; onChoose: (queue: string | null) => void; all?: string | null }): JSX.Element {
  return (
    <select class="select queue-choice" aria-label="Queue" value={chosen ?? ""} onChange={(event) => onChoose(event.currentTarget.value || null)}>
      {all === null ? null : <option value="">{all}</option>}
      {queueNames.value.map((name) => (
        <option key={name} value={name} selected={name === chosen}>
          {name}
        </option>
      ))}
    </select>
  );
}
