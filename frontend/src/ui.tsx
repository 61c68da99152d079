/** Small parts that all pages share. */

import type { ComponentChildren, ComponentType, JSX, VNode } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";

import { type ApiError, refreshAll, serverNow } from "./api";
import { toast } from "./components/Toast";
import { config } from "./config";
import { Icon, type IconName, StateIcon } from "./icons";
import { copyText } from "./lib/copy";
import { num, span } from "./lib/format";
import { ago, exact, iso } from "./lib/time";
import { now } from "./live";
import { href } from "./router";
import type { Done } from "./shapes";
import { board, zone } from "./state";
import { wordOf } from "./states";

// ----------------------------------------------------------------------------------------------------------- pages

interface PageProps {
  title: string;
  /** What the heading shows, if it is more than the title. */
  heading?: ComponentChildren;
  lead?: ComponentChildren;
  crumbs?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
}

/** A page: its one heading, what can be done with all of it, and what is on it. */
export function Page({ title, heading, lead, crumbs, actions, children }: PageProps): JSX.Element {
  useEffect(() => {
    document.title = `${title} · ${board.value?.title ?? config.title}`;
  }, [title]);
  return (
    <>
      <header class="head">
        {crumbs ? <div class="crumbs">{crumbs}</div> : null}
        <div class="head-row">
          <h1>{heading ?? title}</h1>
          {actions ? <div class="head-actions">{actions}</div> : null}
        </div>
        {lead ? <p class="lead">{lead}</p> : null}
      </header>
      {children}
    </>
  );
}

/** A part of the page that comes when it is needed. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>, meanwhile: () => JSX.Element | null = Loading): ComponentType<P> {
  let made: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [ready, setReady] = useState<ComponentType<P> | null>(() => made);
    const [failed, setFailed] = useState(false);
    useEffect(() => {
      if (made) return;
      load().then(
        (found) => {
          made = found;
          setReady(() => found);
        },
        () => setFailed(true),
      );
    }, []);
    if (failed) return <Banner kind="bad">This part could not be loaded. Was the server updated? Load the page anew.</Banner>;
    const Ready = ready;
    return Ready ? <Ready {...props} /> : meanwhile();
  };
}

/** For dialogs: nothing until they are there. */
export const nothing = (): null => null;

// ------------------------------------------------------------------------------------------------ links and buttons

type LinkProps = { to: string; replace?: boolean; children: ComponentChildren; "data-up"?: string | boolean; "data-kind"?: string; "data-state"?: string; "data-none"?: boolean } & Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href">;

/** A real link that the router follows. */
export function Link({ to, replace, children, ...rest }: LinkProps): JSX.Element {
  return (
    <a href={href(to)} data-go={to} data-replace={replace ? "" : undefined} {...rest}>
      {children}
    </a>
  );
}

interface ButtonProps {
  kind?: "plain" | "primary" | "danger" | "quiet";
  icon?: IconName;
  onClick?: (event: MouseEvent) => void;
  disabled?: boolean;
  busy?: boolean;
  type?: "button" | "submit";
  title?: string;
  children: ComponentChildren;
}

export function Button({ kind = "plain", icon, onClick, disabled, busy, type = "button", title, children }: ButtonProps): JSX.Element {
  return (
    <button class="button" data-kind={kind} type={type} onClick={onClick} disabled={disabled || busy} aria-busy={busy} title={title}>
      {icon ? <Icon name={icon} /> : null}
      <span>{children}</span>
    </button>
  );
}

type IconButtonProps = { icon: IconName; label: string; onClick?: (event: MouseEvent) => void; pressed?: boolean; disabled?: boolean };

export function IconButton({ icon, label, onClick, pressed, disabled }: IconButtonProps): JSX.Element {
  return (
    <button class="icon-button" type="button" aria-label={label} title={label} aria-pressed={pressed} disabled={disabled} onClick={onClick}>
      <Icon name={icon} />
    </button>
  );
}

export interface MenuItem {
  text: string;
  icon?: IconName;
  danger?: boolean;
  run: () => void;
}

/** A button that opens a list of further actions. */
export function Menu({ label, icon = "more", text, items }: { label: string; icon?: IconName; text?: string; items: MenuItem[] }): JSX.Element | null {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  // At once: keys that are pressed next are meant for what is open.
  useLayoutEffect(() => {
    if (!open) return undefined;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", away);
    return () => document.removeEventListener("pointerdown", away);
  }, [open]);
  if (items.length === 0) return null;

  const onKey = (event: KeyboardEvent) => {
    if (!open) return;
    const all = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      all[(to + all.length) % all.length]?.focus();
    } else if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.stopPropagation();
      setOpen(false);
      if (event.key === "Escape") button.current?.focus();
    }
  };
  return (
    <div class="menu" ref={box} onKeyDown={onKey}>
      <button
        ref={button}
        class={text ? "button" : "icon-button"}
        data-kind="plain"
        type="button"
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        aria-label={label}
        title={text ? undefined : label}
        onClick={() => setOpen(!open)}
      >
        {text ? <span>{text}</span> : null}
        <Icon name={icon} />
      </button>
      {open ? (
        <div class="menu-list" role="menu" id={id} aria-label={label}>
          {items.map((item) => (
            <button
              key={item.text}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class="menu-item"
              data-danger={item.danger}
              onClick={() => {
                setOpen(false);
                button.current?.focus();
                item.run();
              }}
            >
              {item.icon ? <Icon name={item.icon} /> : null}
              {item.text}
            </button>
          ))}
        </div>
      ) : null}
    </div>
  );
}

export interface TabItem {
  id: string;
  text: string;
  count?: number;
}

/** Tabs over one panel: `Tabs` and, below it, a `<div role="tabpanel" id={panel}>`. */
export function Tabs(props: { label: string; items: TabItem[]; chosen: string; panel: string; onChoose: (id: string) => void }): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const onKey = (event: KeyboardEvent) => {
    const at = props.items.findIndex((item) => item.id === props.chosen);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: props.items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = props.items[(to + props.items.length) % props.items.length];
    if (!next) return;
    props.onChoose(next.id);
    list.current?.querySelector<HTMLElement>(`#${props.panel}-${next.id}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={props.label} ref={list} onKeyDown={onKey}>
      {props.items.map((item) => (
        <button
          key={item.id}
          id={`${props.panel}-${item.id}`}
          type="button"
          role="tab"
          class="tab"
          aria-selected={item.id === props.chosen}
          aria-controls={props.panel}
          tabIndex={item.id === props.chosen ? 0 : -1}
          onClick={() => props.onChoose(item.id)}
        >
          {item.text}
          {item.count === undefined ? null : <span class="tab-count">{num(item.count)}</span>}
        </button>
      ))}
    </div>
  );
}

// --------------------------------------------------------------------------------------------------------- values

export function StatePill({ state }: { state: string }): JSX.Element {
  return (
    <span class="pill" data-state={state}>
      <StateIcon state={state} size={13} />
      {wordOf(state)}
    </span>
  );
}

/** A point in time: how long ago, with the exact time on hover; or the exact time itself. */
export function Time({ at, full }: { at: number | null | undefined; full?: boolean }): JSX.Element {
  if (at === null || at === undefined) return <span class="muted">–</span>;
  void now.value;
  const precise = exact(at, zone.value);
  return (
    <time dateTime={iso(at)} title={precise}>
      {full ? precise : ago(at, serverNow())}
    </time>
  );
}

/** A length of time. */
export function Span({ ms }: { ms: number | null | undefined }): JSX.Element {
  return ms === null || ms === undefined ? <span class="muted">–</span> : <span title={`${num(ms)} ms`}>{span(ms)}</span>;
}

export function Mono({ children, title }: { children: ComponentChildren; title?: string }): JSX.Element {
  return (
    <span class="mono" title={title}>
      {children}
    </span>
  );
}

export function Progress({ value, label }: { value: number; label: string }): JSX.Element {
  const part = Math.min(100, Math.max(0, value));
  return (
    <svg class="progress" viewBox="0 0 100 4" preserveAspectRatio="none" role="progressbar" aria-label={label} aria-valuenow={Math.round(part)} aria-valuemin={0} aria-valuemax={100}>
      <rect width="100" height="4" class="progress-all" />
      <rect width={part} height="4" class="progress-done" />
    </svg>
  );
}

/** A button that copies a text; also where the page is no secure context. */
export function Copy({ text, label }: { text: string; label: string }): JSX.Element {
  const [done, setDone] = useState(false);
  const onClick = async () => {
    if (!(await copyText(text))) return;
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  };
  return <IconButton icon={done ? "check" : "copy"} label={done ? "Copied" : label} onClick={() => void onClick()} />;
}

// ----------------------------------------------------------------------------------------------------- what is said

export function Banner({ kind = "info", children, action }: { kind?: "warn" | "bad" | "info"; children: ComponentChildren; action?: ComponentChildren }): JSX.Element {
  return (
    <div class="banner" data-kind={kind} role={kind === "bad" ? "alert" : undefined}>
      <Icon name={kind === "info" ? "info" : "warn"} />
      <div class="banner-text">{children}</div>
      {action}
    </div>
  );
}

/** Grey lines where something will be; nothing at all for the first moment, so that quick answers don't flash. */
export function Loading({ rows = 6 }: { rows?: number } = {}): JSX.Element {
  return (
    <div class="loading" role="status">
      <span class="sr">Loading</span>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} class="loading-row" data-odd={row % 3} />
      ))}
    </div>
  );
}

export function Broken({ error, retry }: { error: ApiError; retry?: () => void }): JSX.Element {
  return (
    <Banner kind="bad" action={retry ? <Button onClick={retry}>Try again</Button> : undefined}>
      {error.message}
      {error.id ? <span class="muted"> The log calls it {error.id}.</span> : null}
    </Banner>
  );
}

interface FieldProps {
  label: string;
  hint?: ComponentChildren;
  error?: string | null;
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => VNode;
}

/** A labelled control with its hint and its error, tied together for readers. */
export function Field({ label, hint, error, children }: FieldProps): JSX.Element {
  const id = useId();
  const below = error || hint ? `${id}-below` : undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, describedBy: below, invalid: Boolean(error) })}
      {below ? (
        <p id={below} class={error ? "field-error" : "field-hint"}>
          {error ?? hint}
        </p>
      ) : null}
    </div>
  );
}

/** Keep a box's bottom in sight while lines are added, unless the reader has scrolled up. */
export function useFollow(count: number): { current: HTMLDivElement | null } {
  const box = useRef<HTMLDivElement>(null);
  const near = useRef(true);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const seen = () => {
      near.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    };
    element.addEventListener("scroll", seen, { passive: true });
    return () => element.removeEventListener("scroll", seen);
    // The box comes with the first line.
  }, [count > 0]);
  useLayoutEffect(() => {
    if (near.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [count]);
  return box;
}

/** Do something on the server and tell how it went; null if it did not. */
export async function perform<T extends object = Done>(action: () => Promise<T>, options: { done?: (answer: T) => string; refresh?: boolean } = {}): Promise<T | null> {
  try {
    const answer = await action();
    const text = options.done ? options.done(answer) : (answer as Partial<Done>).text;
    if (text) toast(text, { kind: "good" });
    if (options.refresh !== false) refreshAll();
    return answer;
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), { kind: "bad" });
    return null;
  }
}
