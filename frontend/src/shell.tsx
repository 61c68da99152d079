/** What is around every page: where to go, how things are, and what is said to all. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { away, type Old, refreshAll, refused, useApi } from "./api";
import { Asker } from "./components/Dialog";
import { openHelp, openPalette } from "./components/open";
import { Toasts } from "./components/Toast";
import { config } from "./config";
import { Icon, type IconName, Mark } from "./icons";
import { keys, Overlays } from "./keys";
import { compact, num } from "./lib/format";
import { clock } from "./lib/time";
import { connected, freshest, ticks } from "./live";
import { route, toQueue } from "./router";
import type { Overview } from "./shapes";
import { board, boardError, favourites, loadBoard, may, nextTheme, queueNames, theme, zone } from "./state";
import { Tray } from "./tray";
import { Banner, Button, Copy, IconButton, Link, Loading } from "./ui";

const PAGES: { to: string; text: string; icon: IconName; needs?: string }[] = [
  { to: "/", text: "Overview", icon: "overview" },
  { to: "/failures", text: "Failures", icon: "failures" },
  { to: "/schedulers", text: "Schedulers", icon: "schedulers" },
  { to: "/workers", text: "Workers", icon: "workers" },
  { to: "/metrics", text: "Metrics", icon: "metrics" },
  { to: "/alerts", text: "Alerts", icon: "bell" },
  { to: "/redis", text: "Redis", icon: "redis", needs: "redis" },
  { to: "/audit", text: "Audit", icon: "audit", needs: "audit" },
];

export function Shell({ children }: { children: ComponentChildren }): JSX.Element {
  const [open, setOpen] = useState(false);
  const { path } = route.value;
  useEffect(() => keys(), []);
  useEffect(() => setOpen(false), [path]);
  const title = board.value?.title ?? config.title;
  const environment = board.value?.environment;
  return (
    <>
      <a class="skip" href="#main">
        Skip to the page
      </a>
      {environment ? <div class="environment">{environment}</div> : null}
      <div class="shell">
        <header class="bar">
          <IconButton icon={open ? "close" : "menu"} label={open ? "Close the menu" : "Open the menu"} onClick={() => setOpen(!open)} />
          <Link to="/" class="brand">
            <Mark /> <span>{title}</span>
          </Link>
          <IconButton icon="search" label="Search or jump" onClick={openPalette} />
        </header>
        <aside class="side" data-open={open} aria-label="Side bar">
          <Link to="/" class="brand">
            <Mark /> <span>{title}</span>
          </Link>
          <button type="button" class="jump" onClick={openPalette}>
            <Icon name="search" size={15} />
            <span>Search or jump</span>
            <kbd aria-hidden="true">{/Mac|iPhone|iPad/.test(navigator.platform) ? "⌘K" : "Ctrl K"}</kbd>
          </button>
          {board.value ? <Places path={path} /> : null}
          <Foot />
        </aside>
        {open ? <button type="button" class="shade" tabIndex={-1} aria-hidden="true" onClick={() => setOpen(false)} /> : null}
        <main id="main" tabIndex={-1}>
          <Away />
          {board.value ? children : boardError.value ? <Closed /> : <Loading />}
        </main>
      </div>
      <Tray />
      <Toasts />
      <Asker />
      <Overlays />
    </>
  );
}

function Places({ path }: { path: string }): JSX.Element {
  const { data } = useApi<Overview>("/overview", { every: path === "/" ? 0 : 60_000 });
  const urgent = data?.attention.filter((item) => item.severity === "high").length ?? 0;
  useNewQueues(data);
  return (
    <>
      <nav aria-label="Main">
        <ul class="places">
          {PAGES.filter((page) => !page.needs || may(page.needs)).map((page) => (
            <li key={page.to}>
              <Link to={page.to} class="place" aria-current={path === page.to ? "page" : undefined}>
                <Icon name={page.icon} />
                <span>{page.text}</span>
                {page.to === "/" && urgent > 0 ? (
                  <span class="place-count" data-state="failed" title={`${num(urgent)} urgent`}>
                    {num(urgent)}
                    <span class="sr"> urgent</span>
                  </span>
                ) : null}
              </Link>
            </li>
          ))}
        </ul>
      </nav>
      <nav aria-label="Queues" class="queues-nav">
        <p class="side-title" aria-hidden="true">
          Queues
        </p>
        <ul class="places">
          {[...queueNames.value].sort((a, b) => place(a) - place(b)).map((queue) => {
            const asked = data?.queues.find((one) => one.name === queue);
            const row = data && asked ? freshest(asked, data.now) : ticks.value.get(queue);
            const failed = row?.counts.failed ?? 0;
            const paused = row?.paused ?? false;
            const to = toQueue(queue);
            const inside = path === to || path.startsWith(`${to}/`);
            return (
              <li key={queue}>
                <Link to={to} class="place" aria-current={path === to ? "page" : inside ? "true" : undefined} title={queue}>
                  <span class="place-name">{queue}</span>
                  {paused ? (
                    <span class="place-paused" title="Paused">
                      <Icon name="pause" size={13} />
                      <span class="sr"> paused</span>
                    </span>
                  ) : null}
                  {failed > 0 ? (
                    <span class="place-count" data-state="failed" title={`${num(failed)} failed`}>
                      {compact(failed)}
                      <span class="sr"> failed</span>
                    </span>
                  ) : null}
                </Link>
              </li>
            );
          })}
        </ul>
      </nav>
    </>
  );
}

/** Queues come and go while the page is open: then the board, which has their names for all of it, is asked for anew. */
function useNewQueues(data: Overview | undefined): void {
  const names = data?.queues.map((row) => row.name).toSorted().join("\n");
  useEffect(() => {
    if (names !== undefined && names !== queueNames.value.toSorted().join("\n")) void loadBoard();
  }, [names]);
}

/** Pinned queues stand first. */
function place(queue: string): number {
  return favourites.value.includes(queue) ? 0 : 1;
}

const HEARING = { live: "Live", polling: "Asking every 5 s", lost: "Not connected" } as const;

function Foot(): JSX.Element {
  const themes = { system: ["screen", "System"], light: ["sun", "Light"], dark: ["moon", "Dark"] } as const;
  const [icon, word] = themes[theme.value];
  const hearing = away.value ? "lost" : connected.value;
  return (
    <div class="foot">
      <div class="foot-row">
        <span class="beacon" data-how={hearing}>
          {HEARING[hearing]}
        </span>
        <span class="foot-buttons">
          <IconButton icon={icon} label={`Theme: ${word}`} onClick={nextTheme} />
          <IconButton icon={zone.value === "utc" ? "globe" : "clock"} label={`Times: ${zone.value === "utc" ? "UTC" : "Local"}`} onClick={() => (zone.value = zone.value === "utc" ? "local" : "utc")} />
          <IconButton icon="help" label="Keyboard help" onClick={openHelp} />
        </span>
      </div>
      {board.value ? (
        <p class="foot-who">
          {board.value.user ? `${board.value.user} · ` : ""}
          {board.value.read_only ? "read only · " : ""}
          {board.value.version}
        </p>
      ) : null}
    </div>
  );
}

function Away(): JSX.Element | null {
  if (!board.value) return null;
  if (away.value) return <Told old={away.value} short={away.value.error.error === "offline" ? "The server does not answer." : "Redis does not answer."} />;
  return refused.value ? <Told old={refused.value} short={refused.value.error.status === 401 ? "You are not logged in any more." : "This page can’t be brought up to date."} /> : null;
}

/** Why what is shown is old. Who has to log in is asked to when the page is loaded anew. */
function Told({ old: { error, since }, short }: { old: Old; short: string }): JSX.Element {
  const out = error.status === 401;
  return (
    <Banner kind="bad" action={<Button onClick={out ? () => window.location.reload() : refreshAll}>{out ? "Load the page anew" : "Try now"}</Button>}>
      <strong>{short}</strong> {error.error === "offline" ? "" : error.message} What you see is as of {clock(since, zone.value)}.{out ? "" : " Trying again."}
    </Banner>
  );
}

/** The board itself can't be had: say why, in place of the page. */
function Closed(): JSX.Element {
  const error = boardError.value;
  const wait = error?.status === 0 || error?.error === "redis_away";
  useEffect(() => {
    if (!wait) return undefined;
    const timer = window.setInterval(() => void loadBoard(), 3000);
    return () => window.clearInterval(timer);
  }, [wait]);
  return (
    <div class="closed">
      <h1>{error?.status === 401 ? "Please sign in" : error?.status === 403 ? "Not for you" : wait ? "Waiting for the server" : "Something is wrong"}</h1>
      <p>{error?.message}</p>
      {error?.id ? (
        <p class="muted">
          The log calls it <span class="mono">{error.id}</span> <Copy text={error.id} label="Copy the id" />
        </p>
      ) : null}
      <Button onClick={() => void loadBoard()}>Try again</Button>
    </div>
  );
}
