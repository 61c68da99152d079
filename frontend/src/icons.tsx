/** All icons: 24 units wide, drawn with the text's colour. */

import type { JSX } from "preact";

const PATHS = {
  overview: "M4 4h7v7H4zM13 4h7v4h-7zM13 11h7v9h-7zM4 14h7v6H4z",
  failures: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.01",
  schedulers: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3.5 2",
  workers: "M4 5h16v6H4zM4 13h16v6H4zM7.5 8v.01M7.5 16v.01M11 8h6M11 16h6",
  metrics: "M4 4v16h16M8 16v-4M12 16V8M16 16v-6",
  redis: "M12 9c4.4 0 8-1.3 8-3s-3.6-3-8-3-8 1.3-8 3 3.6 3 8 3zM4 6v12c0 1.7 3.6 3 8 3s8-1.3 8-3V6M4 12c0 1.7 3.6 3 8 3s8-1.3 8-3",
  bell: "M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 1.500h-15zM10 20.500h4",
  audit: "M6 3h9l4 4v14H6zM15 3v4h4M9.5 12h6M9.5 16h6",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5 20 20",
  menu: "M4 7h16M4 12h16M4 17h16",
  more: "M6 12v.01M12 12v.01M18 12v.01",
  close: "M6 6l12 12M18 6 6 18",
  check: "M5 12.5 10 17.5 19.5 7",
  plus: "M12 5v14M5 12h14",
  pause: "M9 5v14M15 5v14",
  play: "M8 5.5v13l10-6.5z",
  retry: "M20 11a8 8 0 1 0-2.3 6.6M20 5v6h-6",
  trash: "M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5",
  edit: "M5 19h3.5L19 8.5 15.5 5 5 15.5zM13 7.5l3.5 3.5",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  link: "M10 14a4 4 0 0 0 5.7 0l3-3a4 4 0 0 0-5.7-5.700l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.700l1-1",
  flow: "M9 4h6v5H9zM3 15h6v5H3zM15 15h6v5h-6zM12 9v3M6 15v-3h12v3",
  left: "M14.5 6 8.5 12l6 6",
  right: "M9.5 6l6 6-6 6",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  chevron: "M6.5 9.5 12 15l5.5-5.5",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.5V12l3 2",
  warn: "M12 4 2.8 19.5h18.4zM12 10v4.5M12 17v.01",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5M12 8v.01",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.300l1.4 1.400M17.3 17.300l1.4 1.400M5.3 18.700l1.4-1.400M17.3 6.700l1.4-1.4",
  moon: "M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10z",
  screen: "M3.5 5h17v11h-17zM9 20h6M12 16v4",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.300c-.7.3-1 .8-1 1.700M12 16.5v.01",
  globe: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c2.5 2.5 3.8 5.5 3.8 9S14.5 18.5 12 21c-2.5-2.5-3.8-5.5-3.8-9S9.5 5.5 12 3z",
  limits: "M4 17a8.5 8.5 0 1 1 16 0M12 15l4-5M12 15v.01",
  drain: "M4 5h16l-6 7.5V19l-4 2v-8.5z",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  timer: "M12 21a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 9v4l2.5 1.5M9.5 2.5h5",
  branch: "M7 4v16M7 8h5a4 4 0 0 1 4 4v1M16 20a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  priority: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 16V8M8.5 11.5 12 8l3.5 3.5",
  download: "M12 4v11M7 10.5l5 5 5-5M5 20h14",
  external: "M10 5H5v14h14v-5M14 4h6v6M20 4l-9 9",
  columns: "M4 5h16v14H4zM9.5 5v14M14.5 5v14",
  bookmark: "M7 4h10v16l-5-4-5 4z",
  star: "M12 4l2.500 5.100 5.600.800-4 4 .900 5.600-5-2.600-5 2.600.900-5.600-4-4 5.600-.800z",
  eye: "M2.500 12s3.500-6 9.500-6 9.500 6 9.500 6-3.500 6-9.500 6-9.500-6-9.500-6zM12 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5z",
  compare: "M4 5h6v14H4zM14 5h6v14h-6M12 2.500v19",
  stop: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9 9h6v6H9z",
  code: "M8.500 7.500 4 12l4.500 4.500M15.500 7.500 20 12l-4.500 4.500M13.500 5l-3 14",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }): JSX.Element {
  return (
    <svg class="icon" data-icon={name} width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

const OF_STATE: Record<string, IconName> = {
  waiting: "clock",
  prioritized: "priority",
  delayed: "timer",
  "waiting-children": "branch",
  active: "bolt",
  completed: "check",
  failed: "close",
  paused: "pause",
};

export function StateIcon({ state, size = 14 }: { state: string; size?: number }): JSX.Element {
  return <Icon name={OF_STATE[state] ?? "help"} size={size} />;
}

/** The mark of the house: a cart's wheel. */
export function Mark({ size = 22 }: { size?: number }): JSX.Element {
  return (
    <svg class="mark" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <circle cx="12" cy="12" r="9.5" />
      <circle cx="12" cy="12" r="2.4" class="mark-hub" />
      <path d="M12 2.5v7M12 14.5v7M2.5 12h7M14.5 12h7M5.3 5.300l5 5M13.7 13.700l5 5M5.3 18.700l5-5M13.7 10.300l5-5" />
    </svg>
  );
}
