/** Notices in the corner: what has happened, and undo where that can be. */

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Options {
  kind?: "good" | "bad";
  action?: { text: string; run: () => void };
  /** How long it stays, if nobody points at it. */
  ms?: number;
  /** It has gone, and its action was not taken. */
  gone?: () => void;
}

interface Message extends Options {
  id: number;
  text: string;
}

const messages = signal<readonly Message[]>([]);
let last = 0;

const MOST = 4;

/** Say what has happened, in the corner. It goes by itself; what failed stays longer. */
export function toast(text: string, options: Options = {}): void {
  show(text, options);
}

/** The same; answers how to take it away. */
export function show(text: string, options: Options = {}): () => void {
  const id = ++last;
  const before = messages.value;
  const stay = before.filter((message) => message.text !== text).slice(1 - MOST);
  messages.value = [...stay, { ...options, id, text }];
  for (const message of before) if (!stay.includes(message)) message.gone?.();
  return () => dismiss(id);
}

function dismiss(id: number, acted = false): void {
  const found = messages.value.find((message) => message.id === id);
  messages.value = messages.value.filter((message) => message.id !== id);
  if (found && !acted) found.gone?.();
}

/** What an action is called that takes something back. */
export const UNDO = "Undo";

/** Take back what the newest message says that can be; other actions, such as to try again, are none for a key. */
export function undoLatest(): void {
  const found = messages.value.findLast((message) => message.action?.text === UNDO);
  if (!found) return;
  dismiss(found.id, true);
  found.action?.run();
}

/** Where messages appear: once in the shell, so that screen readers know the place before the first one comes. */
export function Toasts() {
  const place = useRef<HTMLDivElement>(null);
  const newest = messages.value.at(-1)?.id;
  useEffect(() => {
    // As a popover it stands above an open dialog: above one that was opened after it, if it is shown anew.
    const mine = place.current;
    if (!mine?.showPopover) return;
    const [open, some] = [mine.matches(":popover-open"), newest !== undefined];
    if (open && (!some || document.querySelector("dialog[open]"))) mine.hidePopover();
    if (some && !mine.matches(":popover-open")) mine.showPopover();
  }, [newest]);
  return (
    <>
      <div class="sr" role="status" aria-live="polite">
        {messages.value.map((message) => (
          <p key={message.id}>{message.text}</p>
        ))}
      </div>
      <div class="toasts" ref={place} popover="manual" role="region" aria-label="Messages">
        {messages.value.map((message) => (
          <One key={message.id} message={message} />
        ))}
      </div>
    </>
  );
}

function One({ message }: { message: Message }) {
  const timer = useRef<number>();
  const wait = () => {
    window.clearTimeout(timer.current);
    timer.current = window.setTimeout(() => dismiss(message.id), message.ms ?? (message.kind === "bad" ? 12_000 : message.action ? 9000 : 5000));
  };
  const hold = () => window.clearTimeout(timer.current);
  useEffect(() => {
    wait();
    return hold;
  }, []);
  return (
    <div class="toast" data-kind={message.kind ?? "good"} onPointerEnter={hold} onPointerLeave={wait} onFocusIn={hold} onFocusOut={wait}>
      <svg class="toast-icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={message.kind === "bad" ? "M8 4.5v4M8 11.2v.1M8 1.8l6.5 12h-13z" : "M3 8.5l3.2 3.2L13 5"} fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" />
      </svg>
      <span class="toast-text">{message.text}</span>
      {message.action ? (
        <button
          type="button"
          class="toast-action"
          onClick={() => {
            dismiss(message.id, true);
            message.action?.run();
          }}
        >
          {message.action.text}
        </button>
      ) : null}
      <button type="button" class="icon-button" aria-label="Dismiss" title="Dismiss" onClick={() => dismiss(message.id)}>
        <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
          <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" />
        </svg>
      </button>
    </div>
  );
}
