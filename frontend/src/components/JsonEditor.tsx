/** JSON to be written by hand: line numbers, what is wrong and where, and a button that makes it tidy. */

import { useId, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { flaw, parse, stringify } from "../lib/exact";
import { bytes, plural } from "../lib/format";

interface Props {
  text: string;
  onInput: (text: string) => void;
  label: string;
  rows?: number;
  /** What else is wrong with it, such as what the server said. */
  error?: string | null;
}

export function JsonEditor({ text, onInput, label, rows = 12, error }: Props) {
  const id = useId();
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLPreElement>(null);
  const wrong = useMemo(() => flaw(text), [text]);
  const count = useMemo(() => text.split("\n").length, [text]);
  const size = useMemo(() => new Blob([text]).size, [text]);
  const [first, setFirst] = useState(1);
  const seen = numbers(first, count);
  useLayoutEffect(() => {
    if (gutter.current && area.current) gutter.current.scrollTop = area.current.scrollTop - (first - 1) * lineHeight(area.current);
  }, [first]);

  const format = () => replace(area.current, 0, text.length, stringify(parse(text), 2), onInput);
  const goThere = () => {
    if (!wrong || !area.current) return;
    area.current.focus();
    area.current.setSelectionRange(wrong.offset, Math.min(text.length, wrong.offset + 1));
    area.current.scrollTop = Math.max(0, (wrong.line - 4) * lineHeight(area.current));
  };
  const onKey = (event: KeyboardEvent) => {
    const field = area.current;
    if (!field || event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && !event.metaKey && !event.ctrlKey && !event.altKey) {
      // A new line begins where the one before did, or deeper after a bracket.
      const before = text.slice(0, field.selectionStart);
      const line = before.slice(before.lastIndexOf("\n") + 1);
      const indent = /^[ \t]*/.exec(line)?.[0] ?? "";
      const deeper = /[{[]\s*$/.test(line);
      const closes = deeper && /^[}\]]/.test(text.slice(field.selectionEnd));
      event.preventDefault();
      const inserted = `\n${indent}${deeper ? "  " : ""}`;
      replace(field, field.selectionStart, field.selectionEnd, inserted + (closes ? `\n${indent}` : ""), onInput);
      if (closes) field.setSelectionRange(before.length + inserted.length, before.length + inserted.length);
    } else if (event.key.toLowerCase() === "f" && event.shiftKey && event.altKey && !wrong) {
      event.preventDefault();
      format();
    }
  };

  return (
    <div class="editor" data-wrong={Boolean(wrong ?? error)}>
      <div class="editor-box">
        <pre class="editor-lines" ref={gutter} aria-hidden="true">
          {seen.map((line) => (
            <span key={line} data-wrong={line === wrong?.line}>
              {String(line).padStart(String(count).length)}
              {"\n"}
            </span>
          ))}
          {"\n\n"}
        </pre>
        <textarea
          ref={area}
          class="editor-text"
          rows={rows}
          value={text}
          aria-label={label}
          aria-invalid={Boolean(wrong ?? error)}
          aria-describedby={`${id}-state`}
          spellcheck={false}
          autocomplete="off"
          autocapitalize="off"
          wrap="off"
          onInput={(event) => onInput(event.currentTarget.value)}
          onKeyDown={onKey}
          onScroll={(event) => {
            const field = event.currentTarget;
            const above = Math.floor(field.scrollTop / lineHeight(field));
            setFirst(above + 1);
            if (gutter.current) gutter.current.scrollTop = field.scrollTop - above * lineHeight(field);
          }}
        />
      </div>
      <div class="editor-foot">
        <p id={`${id}-state`} class="editor-state" role="status">
          {wrong ? (
            <>
              <b>
                Line {wrong.line}, column {wrong.column}:
              </b>{" "}
              {wrong.message}
            </>
          ) : (
            (error ?? `JSON is fine: ${plural(count, "line")}, ${bytes(size)}`)
          )}
        </p>
        {wrong ? (
          <button type="button" class="button" data-kind="quiet" onClick={goThere}>
            Go there
          </button>
        ) : (
          <button type="button" class="button" data-kind="quiet" title="Alt+Shift+F" onClick={format}>
            Format
          </button>
        )}
      </div>
    </div>
  );
}

/** More than are ever in sight. */
const LINES_SEEN = 120;

/** The numbers of lines from the first in sight on: of a long text, all of them would take seconds. */
function numbers(first: number, count: number): number[] {
  return Array.from({ length: Math.min(LINES_SEEN, Math.max(0, count - first + 1)) }, (_, place) => first + place);
}

function lineHeight(field: HTMLElement): number {
  return Number.parseFloat(getComputedStyle(field).lineHeight) || 20;
}

/** Put a text in the place of another one, so that it can be undone. */
function replace(field: HTMLTextAreaElement | null, from: number, to: number, text: string, onInput: (text: string) => void): void {
  if (!field) return;
  field.focus();
  field.setSelectionRange(from, to);
  // Old, but the only way that goes into the browser's list of what can be undone.
  if (!document.execCommand("insertText", false, text)) {
    field.setRangeText(text, from, to, "end");
    onInput(field.value);
  }
}
