/** Dialogs: a question or a form over the page, and `ask`, which waits for a yes or no. */

import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

interface Props {
  title: string;
  onClose: () => void;
  children?: ComponentChildren;
  footer?: ComponentChildren;
  /** `wide` for editors, `top` for the palette. */
  size?: "small" | "wide" | "top";
  /** Without its heading and cross: then the title is only its name. */
  bare?: boolean;
}

/** A question or a form over the page. The rest of the page waits; closed, the focus is where it was. */
export function Dialog({ title, onClose, children, footer, size = "small", bare = false }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  const close = useRef(onClose);
  close.current = onClose;

  // At once: keys that are pressed next are meant for what is open.
  useLayoutEffect(() => {
    const mine = dialog.current;
    const before = document.activeElement as HTMLElement | null;
    if (!mine) return undefined;
    mine.showModal();
    (mine.querySelector<HTMLElement>("[data-first]") ?? mine.querySelector<HTMLElement>(".dialog-body :is(input, textarea, select, button)") ?? mine.querySelector<HTMLElement>(".dialog-foot button"))?.focus();
    return () => {
      mine.close();
      if (before?.isConnected) before.focus();
    };
  }, []);

  // Only a press that begins outside closes: not a selection of text that ends there.
  const pressed = useRef(false);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      data-size={size}
      aria-labelledby={bare ? undefined : id}
      aria-label={bare ? title : undefined}
      onCancel={(event) => {
        event.preventDefault();
        close.current();
      }}
      onKeyDown={(event) => {
        if (event.key === "Tab") keepInside(event, dialog.current);
        if (event.key !== "Escape") event.stopPropagation();
      }}
      onPointerDown={(event) => {
        pressed.current = event.target === dialog.current;
      }}
      onClick={(event) => {
        if (pressed.current && event.target === dialog.current) close.current();
      }}
    >
      <div class="dialog-box">
        {bare ? null : (
          <header class="dialog-head">
            <h2 id={id}>{title}</h2>
            <button type="button" class="icon-button" aria-label="Close" title="Close" onClick={() => close.current()}>
              <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
                <path d="M4 4l8 8M12 4l-8 8" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" />
              </svg>
            </button>
          </header>
        )}
        <div class="dialog-body">{children}</div>
        {footer ? <footer class="dialog-foot">{footer}</footer> : null}
      </div>
    </dialog>
  );
}

const REACHABLE = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary, [tabindex='0']";

/** From the last to the first and back: browsers would go on to their own buttons. */
function keepInside(event: KeyboardEvent, dialog: HTMLDialogElement | null): void {
  const all = [...(dialog?.querySelectorAll<HTMLElement>(REACHABLE) ?? [])].filter((one) => one.tabIndex >= 0 && one.getClientRects().length > 0);
  const [first, last] = [all[0], all.at(-1)];
  const from = document.activeElement;
  if (!first || !last) event.preventDefault();
  else if (event.shiftKey ? from === first || from === dialog : from === last) {
    event.preventDefault();
    (event.shiftKey ? last : first).focus();
  }
}

// ----------------------------------------------------------------------------------------------------- questions

export interface Question {
  title: string;
  text?: ComponentChildren;
  /** The words of the button, with the number: "Remove 26 jobs". */
  confirm: string;
  danger?: boolean;
  /** A word that has to be typed first. */
  type?: string;
  detail?: ComponentChildren;
}

const question = signal<(Question & { answer: (yes: boolean) => void }) | null>(null);

/** Ask before something is done that can't be undone. */
export function ask(asked: Question): Promise<boolean> {
  question.value?.answer(false);
  return new Promise((resolve) => {
    question.value = {
      ...asked,
      answer: (yes) => {
        question.value = null;
        resolve(yes);
      },
    };
  });
}

/** Where questions appear: once in the shell. */
export function Asker() {
  const asked = question.value;
  return asked ? <Asked key={asked.title} {...asked} /> : null;
}

function Asked({ title, text, confirm, danger, type, detail, answer }: Question & { answer: (yes: boolean) => void }) {
  const [typed, setTyped] = useState("");
  const id = useId();
  const ready = !type || typed.trim() === type;
  return (
    <Dialog
      title={title}
      onClose={() => answer(false)}
      footer={
        <>
          <button type="button" class="button" data-kind="plain" data-first={!type} onClick={() => answer(false)}>
            Cancel
          </button>
          <button type="submit" form={id} class="button" data-kind={danger ? "danger" : "primary"} disabled={!ready}>
            {confirm}
          </button>
        </>
      }
    >
      <form
        id={id}
        class="dialog-ask"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) answer(true);
        }}
      >
        {text ? <p>{text}</p> : null}
        {detail}
        {type ? (
          <label class="dialog-type">
            <span>
              Type <b class="mono">{type}</b> to confirm
            </span>
            <input class="input mono" data-first value={typed} autocomplete="off" autocapitalize="off" spellcheck={false} onInput={(event) => setTyped(event.currentTarget.value)} />
          </label>
        ) : null}
      </form>
    </Dialog>
  );
}
