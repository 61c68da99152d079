/** Jobs as a file: the server sends it as it reads them, and the browser saves it. */

import type { JSX } from "preact";

import { address, part, url } from "../api";
import { Popover } from "../components/Popover";
import { plural } from "../lib/format";

const FORMATS: readonly { id: string; word: string; hint: string }[] = [
  { id: "csv", word: "CSV", hint: "for spreadsheets" },
  { id: "json", word: "JSON", hint: "one list" },
  { id: "ndjson", word: "NDJSON", hint: "one job a line" },
];

interface Props {
  queue: string;
  /** What is exported, in words. */
  what: string;
  query: Record<string, string | null>;
  /** How many there are; null if that isn't known. */
  count: number | null;
  /** A button with a word on it. */
  text?: string;
}

export function ExportMenu({ queue, what, query, count, text }: Props): JSX.Element {
  return (
    <Popover label="Export" icon="download" text={text}>
      {(close) => (
        <>
          <p class="pop-title">
            {what}
            {count === null ? "" : `: ${plural(count, "job")}`}, as
          </p>
          {FORMATS.map((format) => (
            <a key={format.id} class="pop-item" href={address(url(`/queues/${part(queue)}/export`, { format: format.id, ...query }))} download="" onClick={close}>
              <span>{format.word}</span>
              <span class="muted">{format.hint}</span>
            </a>
          ))}
          <p class="pop-note">With what you may see of their data.</p>
        </>
      )}
    </Popover>
  );
}
