/** A button that opens a small panel beside it: to choose from, or to fill in. */

import type { ComponentChildren, JSX } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Icon, type IconName } from "../icons";

interface Props {
  /** Its name: of the button, if that shows none, and of what it opens. */
  label: string;
  icon: IconName;
  text?: ComponentChildren;
  /** Whether it holds something that changes what is seen. */
  on?: boolean;
  children: (close: () => void) => ComponentChildren;
}

export function Popover({ label, icon, text, on, children }: Props): JSX.Element {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  // At once: keys that are pressed next are meant for what is open.
  useLayoutEffect(() => {
    if (!open) return undefined;
    box.current?.querySelector<HTMLElement>(".pop :is(a[href], button, input):not(:disabled)")?.focus();
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    document.addEventListener("focusin", away);
    return () => {
      document.removeEventListener("pointerdown", away);
      document.removeEventListener("focusin", away);
    };
  }, [open]);
  const onKey = (event: KeyboardEvent) => {
    if (!open || event.key !== "Escape") return;
    event.stopPropagation();
    close();
  };
  return (
    <div class="pop-box" ref={box} onKeyDown={onKey}>
      <button
        ref={button}
        class={text ? "button" : "icon-button"}
        data-kind="quiet"
        data-on={on}
        type="button"
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={text ? undefined : label}
        title={text ? undefined : label}
        onClick={() => setOpen(!open)}
      >
        <Icon name={icon} />
        {text ? <span>{text}</span> : null}
      </button>
      {open ? (
        <div class="pop" role="dialog" id={id} aria-label={label}>
          {children(close)}
        </div>
      ) : null}
    </div>
  );
}
