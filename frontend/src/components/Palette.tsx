/** One box for everything: queues, jobs by their id, pages, actions. */

import { Fragment } from "preact";
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";

import { ApiError, get, part, refreshAll, url } from "../api";
import { Icon, type IconName } from "../icons";
import { go, route, toFlow, toJob, toQueue, unquoted } from "../router";
import type { JobDetail } from "../shapes";
import { board, may, nextTheme, queueNames, theme, zone } from "../state";
import { said } from "../forms";
import { visible } from "../lib/format";
import { Dialog } from "./Dialog";
import { commands, openHelp, paletteOpen, takeAhead } from "./open";
import { Visible } from "./Visible";

export { openPalette } from "./open";

interface Item {
  group: "Here" | "Jobs" | "Queues" | "Pages" | "Actions";
  label: string;
  hint?: string;
  icon: IconName;
  /** Goes on showing the palette if it answers text: what to say. */
  run: () => void | Promise<string | void>;
}

export function Palette() {
  return paletteOpen.value ? <Open /> : null;
}

function close(): void {
  paletteOpen.value = false;
}

function Open() {
  const ahead = useMemo(takeAhead, []);
  const [text, setText] = useState(ahead.trimEnd());
  const [at, setAt] = useState(0);
  const found = useMemo(() => matching(text), [text, queueNames.value, commands.value, route.value]);
  const chosen = found[Math.min(at, found.length - 1)];
  const { busy, said, forget, run } = useRun();
  const id = useId();
  useEffect(() => {
    if (ahead.endsWith("\n")) void run(chosen);
  }, []);
  const onKey = (event: KeyboardEvent) => {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: Math.min(at + 8, found.length - 1), PageUp: Math.max(at - 8, 0) }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      setAt(found.length ? (to + found.length) % found.length : 0);
    } else if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
      // What opened it closes it; a dialog keeps its keys from the rest of the page.
      event.preventDefault();
      close();
    } else if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      void run(chosen);
    }
  };
  const onInput = (value: string) => {
    setText(value);
    setAt(0);
    forget();
  };
  return (
    <Dialog title="Search or jump" size="top" bare onClose={close}>
      <div class="palette">
        <div class="palette-head">
          <Icon name="search" />
          <input
            class="palette-input"
            data-first
            role="combobox"
            aria-label="Search or jump"
            aria-expanded="true"
            aria-controls={`${id}-list`}
            aria-activedescendant={chosen ? `${id}-${found.indexOf(chosen)}` : undefined}
            aria-autocomplete="list"
            placeholder="A queue, a job’s id, a page, an action"
            value={text}
            autocomplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={(event) => onInput(event.currentTarget.value)}
            onKeyDown={onKey}
          />
          <kbd>esc</kbd>
        </div>
        <List id={id} found={found} chosen={chosen} onPoint={setAt} onRun={(item) => void run(item)} />
        <p class="palette-foot" role="status">
          {busy ? "Looking…" : said || (found.length ? "" : "Nothing here is called that.")}
        </p>
      </div>
    </Dialog>
  );
}

/** Does what an item says; a job has to be looked for first, and may not be there. */
function useRun() {
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const run = async (item: Item | undefined) => {
    if (!item || busy) return;
    setBusy(true);
    setSaid("");
    const answer = item.group === "Jobs" ? await item.run() : (close(), item.run());
    setBusy(false);
    if (typeof answer === "string") setSaid(answer);
    else close();
  };
  return { busy, said, forget: () => setSaid(""), run };
}

interface ListProps {
  id: string;
  found: readonly Item[];
  chosen: Item | undefined;
  onPoint: (at: number) => void;
  onRun: (item: Item) => void;
}

function List({ id, found, chosen, onPoint, onRun }: ListProps) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <div class="palette-list" role="listbox" id={`${id}-list`} aria-label="What was found" ref={list} tabIndex={-1}>
      {found.map((item, index) => (
        <Fragment key={`${item.group} ${item.label}`}>
          {item.group === found[index - 1]?.group ? null : (
            <div class="palette-group" role="presentation">
              {item.group}
            </div>
          )}
          <div id={`${id}-${index}`} class="palette-item" role="option" aria-selected={item === chosen} onPointerMove={() => onPoint(index)} onClick={() => onRun(item)}>
            <Icon name={item.icon} />
            <span class="palette-label">
              <Visible text={item.label} />
            </span>
            {item.hint ? <span class="palette-hint">{item.hint}</span> : null}
          </div>
        </Fragment>
      ))}
    </div>
  );
}

const PAGES: readonly { label: string; to: string; icon: IconName; keys: string; needs?: string }[] = [
  { label: "Overview", to: "/", icon: "overview", keys: "g o" },
  { label: "Failures", to: "/failures", icon: "failures", keys: "g e" },
  { label: "Schedulers", to: "/schedulers", icon: "schedulers", keys: "g s" },
  { label: "Workers", to: "/workers", icon: "workers", keys: "g w" },
  { label: "Metrics", to: "/metrics", icon: "metrics", keys: "g m" },
  { label: "Alerts", to: "/alerts", icon: "bell", keys: "g l" },
  { label: "Compare two jobs", to: "/compare", icon: "compare", keys: "" },
  { label: "Redis", to: "/redis", icon: "redis", keys: "g r", needs: "redis" },
  { label: "Audit", to: "/audit", icon: "audit", keys: "g a", needs: "audit" },
];

/** What fits a text, the best first; groups stay together. */
function matching(text: string): Item[] {
  const words = text.trim();
  const here = queueHere();
  const jobs: Item[] = [];
  if (words && !/\s/.test(words)) {
    const order = here ? [here, ...queueNames.value.filter((name) => name !== here)] : queueNames.value;
    jobs.push({ group: "Jobs", label: `Open job ${words}`, hint: here ? `in ${here}, else in the others` : "in any queue", icon: "search", run: () => openJob(order, words) });
  }
  const all: Item[] = [
    ...commands.value.map((command): Item => ({ group: "Here", icon: "bolt", ...command })),
    ...queueNames.value.map((name): Item => ({ group: "Queues", label: name, icon: "right", run: () => go(toQueue(name)) })),
    ...queueNames.value.map((name): Item => ({ group: "Queues", label: `${name}: failed jobs`, icon: "failures", run: () => go(toQueue(name, { state: "failed" })) })),
    ...PAGES.filter((page) => !page.needs || may(page.needs)).map((page): Item => ({ group: "Pages", label: page.label, hint: page.keys, icon: page.icon, run: () => go(page.to) })),
    { group: "Actions", label: `Theme: ${theme.value} → next`, icon: "sun", hint: "t", run: nextTheme },
    { group: "Actions", label: zone.value === "utc" ? "Show local times" : "Show times in UTC", icon: "globe", run: () => void (zone.value = zone.value === "utc" ? "local" : "utc") },
    { group: "Actions", label: "Refresh", icon: "retry", hint: "r", run: refreshAll },
    { group: "Actions", label: "Keyboard help", icon: "help", hint: "?", run: openHelp },
  ];
  if (!words) return all.filter((item) => item.group !== "Queues" || !item.label.includes(": ")).slice(0, 60);
  const scored = all.map((item) => ({ item, score: score(item.label, words) })).filter(({ score }) => score > 0);
  const best = new Map<string, number>();
  for (const { item, score } of scored) best.set(item.group, Math.max(best.get(item.group) ?? 0, score));
  scored.sort((a, b) => (best.get(b.item.group) ?? 0) - (best.get(a.item.group) ?? 0) || a.item.group.localeCompare(b.item.group) || b.score - a.score);
  const rest = scored.slice(0, 40).map(({ item }) => item);
  // What looks like an id is one; else jobs come last.
  return /\d/.test(words) && !best.has("Queues") ? [...jobs, ...rest] : [...rest, ...jobs];
}

/** How well a text fits what was typed: as its start, as a word's start, somewhere, or letter by letter. */
function score(label: string, typed: string): number {
  const [text, wanted] = [label.toLowerCase(), typed.toLowerCase()];
  const place = text.indexOf(wanted);
  if (place === 0) return 100 - text.length / 100;
  if (place > 0) return (/[^a-z0-9]/.test(text[place - 1] ?? "") ? 80 : 60) - text.length / 100;
  let from = 0;
  for (const letter of wanted.replace(/\s/g, "")) {
    from = text.indexOf(letter, from) + 1;
    if (from === 0) return 0;
  }
  return wanted.length > 1 ? 20 - from / 100 : 0;
}

function queueHere(): string | null {
  const name = /^\/queues\/([^/]+)/.exec(route.value.path)?.[1];
  const known = name ? unquoted(name) : route.value.query.get("queue");
  return known && board.value?.queues.includes(known) ? known : null;
}

const AT_ONCE = 4;

/** Open the job with this id in the first of these queues that has it. */
async function openJob(queues: readonly string[], id: string): Promise<string | void> {
  const rest = [...queues];
  let found: string | null = null;
  let problem: string | null = null;
  const look = async () => {
    for (let queue = rest.shift(); queue !== undefined && found === null; queue = rest.shift()) {
      const job = await get<JobDetail>(url(`/queues/${part(queue)}/job`, { id })).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 404)) problem = said(error);
        return null;
      });
      if (job) found ??= queue;
    }
  };
  // The first one alone: it is the queue that is shown.
  const others = rest.splice(1);
  await look();
  rest.push(...others);
  if (found === null) await Promise.all(Array.from({ length: AT_ONCE }, look));
  if (found === null) return problem ?? `No job has the id ${visible(id)}.`;
  // Who has closed the palette meanwhile wants to stay.
  if (!paletteOpen.value) return;
  go(route.value.path.endsWith("/flow") ? toFlow(found, id) : toJob(found, id));
}
