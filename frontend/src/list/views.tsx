/** Saved views: what a list shows under a name, kept in this browser; each is a link. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { useCommands } from "../components/open";
import { Popover } from "../components/Popover";
import { toast, UNDO } from "../components/Toast";
import { Icon } from "../icons";
import { copyText } from "../lib/copy";
import { areViews, nameFor, type View, viewsOf, withoutView, withView, wordsOf } from "../lib/views";
import { go, route, toQueue } from "../router";
import { stored } from "../state";
import { wordOf } from "../states";
import { Button, Field, IconButton, Link } from "../ui";
import { shownIds } from "./columns";

const views = stored<View[]>("views", [], areViews);

function toView(view: View, queue: string): string {
  const path = toQueue(view.queue ?? queue);
  return view.query ? `${path}?${view.query}` : path;
}

/** The words of what is seen now; with its columns, also if they are the usual ones: others may be usual later. */
function seen(state: string): string {
  const words = new URLSearchParams(route.value.query);
  words.set("cols", shownIds(state).join(","));
  return wordsOf(words);
}

/** The views of this queue, as links over its list. */
export function ViewChips({ queue, state }: { queue: string; state: string }): JSX.Element | null {
  const known = viewsOf(views.value, queue);
  const here = seen(state);
  useCommands(known.map((view) => ({ label: `View: ${view.name}`, hint: queue, run: () => go(toView(view, queue)) })));
  if (known.length === 0) return null;
  return (
    <nav class="views" aria-label="Views">
      {known.map((view) => (
        <Link key={`${view.queue} ${view.name}`} class="view" to={toView(view, queue)} title={view.name} aria-current={view.query === here ? "page" : undefined}>
          <Icon name="bookmark" size={12} />
          <span>{view.name}</span>
        </Link>
      ))}
    </nav>
  );
}

export function ViewsMenu({ queue, state }: { queue: string; state: string }): JSX.Element {
  const known = viewsOf(views.value, queue);
  return (
    <Popover label="Views" icon="bookmark">
      {(close) => (
        <>
          {known.length > 0 ? <p class="pop-title">Views, kept in this browser</p> : null}
          {known.map((view) => (
            <div key={`${view.queue} ${view.name}`} class="pop-row">
              <Link to={toView(view, queue)} onClick={close} title={view.query}>
                {view.name}
                {view.queue === null ? <span class="muted"> all queues</span> : null}
              </Link>
              <IconButton icon="link" label={`Copy the link of ${view.name}`} onClick={() => void copyLink(toView(view, queue))} />
              <IconButton icon="trash" label={`Forget ${view.name}`} onClick={() => forget(view)} />
            </div>
          ))}
          {known.length > 0 ? <div class="pop-line" /> : null}
          <Save queue={queue} state={state} onDone={close} />
        </>
      )}
    </Popover>
  );
}

function forget(view: View): void {
  views.value = withoutView(views.value, view);
  toast(`The view ${view.name} is forgotten.`, { action: { text: UNDO, run: () => (views.value = withView(views.value, view)) } });
}

async function copyLink(to: string): Promise<void> {
  const address = new URL(window.location.href);
  const [path = "", query = ""] = to.split("?");
  address.pathname = address.pathname.slice(0, address.pathname.length - route.value.path.length) + path;
  address.search = query;
  toast((await copyText(address.href)) ? "The link is copied." : "This browser does not let us copy.");
}

function Save({ queue, state, onDone }: { queue: string; state: string; onDone: () => void }): JSX.Element {
  const { query } = route.value;
  const [name, setName] = useState(nameFor(query, state === "any" ? "All states" : wordOf(state)));
  const [all, setAll] = useState(false);
  const save = (event: Event) => {
    event.preventDefault();
    if (!name.trim()) return;
    views.value = withView(views.value, { name, queue: all ? null : queue, query: seen(state) });
    onDone();
    toast(`The view ${name.trim()} is saved.`);
  };
  return (
    <form class="pop-form" onSubmit={save}>
      <Field label="Save what you see as">{({ id }) => <input id={id} class="input" value={name} maxLength={60} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />}</Field>
      <label class="tick">
        <input type="checkbox" checked={all} onChange={(event) => setAll(event.currentTarget.checked)} /> For all queues
      </label>
      <Button type="submit" disabled={!name.trim()}>
        Save view
      </Button>
    </form>
  );
}
