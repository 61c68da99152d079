/** Values over time on a canvas, by uPlot: loaded with the page of metrics only. */

import { effect, signal, type Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";

import { clip, compact, visible } from "../lib/format";
import { clock, day, span, type Zone } from "../lib/time";
import type { Mark } from "../shapes";
import { theme } from "../state";

export interface Line {
  values: readonly (number | null)[];
  /** The name of a colour of the tokens: `s-failed`. */
  colour: string;
  /** How it is drawn: steps that are filled down to nought (or to the line before it), or a line. */
  as: "steps" | "line";
  /** Drawn faintly: there is little behind it. */
  faint?: boolean;
}

interface Props {
  label: string;
  /** When each step begins. */
  at: readonly number[];
  step: number;
  lines: readonly Line[];
  /** Lengths of time on a scale of tens; else numbers of jobs from nought. */
  times?: boolean;
  marks: readonly Mark[];
  zone: Zone;
  height: number;
  now: number;
  /** The step that is pointed at, the same for all charts of a page. */
  chosen: Signal<number | null>;
  /** What a reader hears of a step. */
  spoken: (index: number) => string;
  /** Whether marks have their words on them. */
  words?: boolean;
  /** A part was dragged over. */
  onRange: (from: number, to: number) => void;
}

const Y_WIDTH = 54;
const RIGHT = 14;

/** Bumped when the colours change. */
const colours = signal(0);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", () => colours.value++);

/** A colour of the tokens as the canvas takes it: what `light-dark()` comes to is known only by an element. */
function colourOf(probe: HTMLElement, name: string, alpha = 1): string {
  probe.style.color = alpha < 1 ? `color-mix(in srgb, var(--${name}) ${alpha * 100}%, transparent)` : `var(--${name})`;
  return getComputedStyle(probe).color;
}

export function Plot(props: Props): JSX.Element {
  const { label, at, step, lines, marks, zone, height, chosen } = props;
  const box = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLSpanElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const [flags, setFlags] = useState<{ mark: Mark; left: number }[]>([]);
  const shape = lines.map((line) => `${line.as} ${line.colour} ${line.faint ?? ""}`).join();

  // Made anew when it is another kind of chart, or has other colours or words; new values are only put in.
  useLayoutEffect(() => {
    const [element, colour] = [box.current, probe.current];
    if (!element || !colour) return undefined;
    const made = new uPlot(optionsOf(latest, colour, element.clientWidth, setFlags), dataOf(latest.current), element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: Math.max(240, element.clientWidth), height: latest.current.height }));
    watch.observe(element);
    const stop = effect(() => {
      const index = chosen.value;
      if (index !== (made.cursor.idx ?? null)) point(made, latest.current, index);
    });
    return () => {
      stop();
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape, zone, height, colours.value, theme.value]);

  useEffect(() => plot.current?.setData(dataOf(props)), [at, lines, step, marks]);

  const onKey = (event: KeyboardEvent) => {
    const last = at.length - 1;
    const from = chosen.value ?? last + 1;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 10, PageDown: from + 10, Home: 0, End: last }[event.key];
    if (event.key === "Escape" && chosen.value !== null) chosen.value = null;
    else if (to === undefined || event.metaKey || event.ctrlKey || event.altKey) return;
    else chosen.value = Math.min(last, Math.max(0, to));
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="plot">
      <span ref={probe} hidden />
      <div class="plot-flags" aria-hidden="true">
        {flags.map(({ mark, left }) => (
          <span
            key={`${mark.at} ${mark.text}`}
            title={`${visible(mark.text)}, ${day(mark.at, zone)}`}
            ref={(element) => {
              element?.style.setProperty("--x", `${left}px`);
            }}
          >
            {clip(visible(mark.text), 16)}
          </span>
        ))}
      </div>
      <Keys label={label} count={at.length} chosen={chosen} spoken={props.spoken} onKey={onKey}>
        <div ref={box} class="plot-box" />
      </Keys>
    </div>
  );
}

/** The chart for the keyboard, and for those who hear it. */
function Keys({ label, count, chosen, spoken, onKey, children }: { label: string; count: number; chosen: Signal<number | null>; spoken: (index: number) => string; onKey: (event: KeyboardEvent) => void; children: JSX.Element }): JSX.Element {
  const index = chosen.value;
  return (
    <div class="plot-keys" role="slider" tabIndex={0} aria-label={`${label}. Arrow keys read single steps.`} aria-valuemin={0} aria-valuemax={Math.max(0, count - 1)} aria-valuenow={index ?? Math.max(0, count - 1)} aria-valuetext={index === null || index >= count ? "all" : spoken(index)} onKeyDown={onKey}>
      {children}
    </div>
  );
}

/** Put the cursor on a step, or away. */
function point(plot: uPlot, { at, step }: Props, index: number | null): void {
  const start = index === null ? undefined : at[index];
  if (start === undefined) plot.setCursor({ left: -10, top: -10 });
  else plot.setCursor({ left: plot.valToPos((start + step / 2) / 1000, "x"), top: plot.cursor.top && plot.cursor.top > 0 ? plot.cursor.top : 10 });
}

function dataOf({ at, step, lines, times }: Props): uPlot.AlignedData {
  // Steps begin where their time does and need an end; a line goes through the middles.
  const end = (at.at(-1) ?? 0) + step;
  const x = times ? at.map((one) => (one + step / 2) / 1000) : [...at, end].map((one) => one / 1000);
  return [x, ...lines.map((line) => (times ? [...line.values] : [...line.values, line.values.at(-1) ?? 0]))] as uPlot.AlignedData;
}

function optionsOf(latest: { current: Props }, probe: HTMLElement, width: number, setFlags: (flags: { mark: Mark; left: number }[]) => void): uPlot.Options {
  const { lines, times = false, zone, height, chosen } = latest.current;
  const font = `11px ${getComputedStyle(document.body).fontFamily}`;
  const [muted, grid] = [colourOf(probe, "muted"), colourOf(probe, "line")];
  const stepped = uPlot.paths.stepped?.({ align: 1 });
  const axis: uPlot.Axis = { stroke: muted, font, grid: { stroke: grid, width: 1 }, ticks: { show: false } };
  const scaleX: uPlot.Range.Function = () => {
    const { at, step } = latest.current;
    return [(at[0] ?? 0) / 1000, ((at.at(-1) ?? 0) + step) / 1000];
  };
  return {
    width: Math.max(240, width),
    height,
    padding: [latest.current.words ? 16 : 8, RIGHT, 0, 0],
    legend: { show: false },
    ms: 1e-3,
    tzDate: (ts) => (zone === "utc" ? uPlot.tzDate(new Date(ts * 1000), "Etc/UTC") : new Date(ts * 1000)),
    scales: {
      x: { time: true, range: scaleX },
      y: times ? { distr: 3, log: 10, range: logRange } : { range: (_plot, _low, high) => [0, Math.max(4, (high || 0) * 1.08)] },
    },
    axes: [
      { ...axis, size: 28, gap: 6, space: 84, grid: { show: false }, ticks: { show: true, stroke: grid, size: 4 }, values: (_plot, splits) => momentsOf(splits, zone) },
      { ...axis, size: Y_WIDTH, gap: 8, space: 34, ...(times ? { splits: (_plot, _axis, low, high) => STEPS.filter((one) => one >= low && one <= high), filter: (_plot, splits) => splits, values: (_plot, splits) => splits.map((one) => (one === null ? "" : span(one))) } : { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 5e6, 1e7, 1e8], values: (_plot, splits) => splits.map((one) => compact(one)) }) },
    ],
    series: [
      {},
      ...lines.map((line): uPlot.Series => {
        const alpha = line.faint ? 0.3 : 1;
        const stroke = colourOf(probe, line.colour, alpha);
        if (line.as === "line") return { stroke, width: 1.5, spanGaps: false, points: { size: 4, fill: stroke, width: 0 } };
        return { stroke, width: 1.25, fill: colourOf(probe, line.colour, line.colour === "s-failed" ? 0.9 : 0.16), points: { show: false }, ...(stepped ? { paths: stepped } : {}) };
      }),
    ],
    // What failed stands on what was done, and covers nothing of it.
    bands: !times && lines.length === 2 ? [{ series: [1, 2], fill: colourOf(probe, "s-failed", 0.9) }] : [],
    cursor: {
      y: false,
      // To the middle of the step that it is over.
      move: (plot, left, top) => {
        const { at, step } = latest.current;
        const first = at[0] ?? 0;
        const index = Math.floor((plot.posToVal(left, "x") * 1000 - first) / step);
        return [left < 0 ? left : plot.valToPos((first + (Math.min(at.length - 1, Math.max(0, index)) + 0.5) * step) / 1000, "x"), top];
      },
      points: { show: false },
      drag: { x: true, y: false, setScale: false, uni: 20 },
      dataIdx: (plot, _series, _hovered, value) => {
        const { at, step } = latest.current;
        void plot;
        return Math.min(at.length - 1, Math.max(0, Math.floor((value * 1000 - (at[0] ?? 0)) / step)));
      },
    },
    hooks: {
      setCursor: [
        (plot) => {
          // Only the chart that the pointer is over tells the others.
          const left = plot.cursor.left ?? -1;
          const index = left < 0 ? null : (plot.cursor.idx ?? null);
          if (plot.root.matches(":hover") && chosen.value !== index) chosen.value = index;
        },
      ],
      setSelect: [
        (plot) => {
          const { left, width: wide } = plot.select;
          if (wide < 8) return;
          const [from, to] = [plot.posToVal(left, "x") * 1000, plot.posToVal(left + wide, "x") * 1000];
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          latest.current.onRange(Math.round(from), Math.round(to));
        },
      ],
      draw: [(plot) => drawMarks(plot, latest.current, colourOf(probe, "brand"), colourOf(probe, "surface", 0.55))],
      ready: [(plot) => plot.over.addEventListener("pointerleave", () => (chosen.value = null))],
      drawAxes: [(plot) => latest.current.words && setFlags(flagsOf(plot, latest.current))],
    },
  };
}

/** Lengths of time that people know, each about ten times the one before. */
const [SECOND, HOUR, DAY] = [1000, 3_600_000, 86_400_000];
const STEPS = [1, 10, 100, SECOND, 10 * SECOND, 60 * SECOND, 600 * SECOND, HOUR, 10 * HOUR, 4 * DAY, 40 * DAY, 400 * DAY];

/** From one of them to another, with all values between. */
function logRange(_plot: uPlot, low: number | null, high: number | null): [number, number] {
  const [bottom, top] = [Math.max(1, low ?? 1), Math.max(10, high ?? 10)];
  const first = STEPS.findLast((one) => one <= bottom) ?? 1;
  return [first, STEPS.find((one) => one >= top && one > first) ?? top];
}

function momentsOf(splits: readonly number[], zone: Zone): string[] {
  const days = splits.length > 1 && (splits[1] ?? 0) - (splits[0] ?? 0) >= 86_400;
  let before = "";
  return splits.map((seconds) => {
    const at = seconds * 1000;
    const date = day(at, zone).replace(/, \d\d:\d\d$/, "").replace(/^\w+,? /, "");
    const first = before !== date && before !== "";
    before = date;
    return days || (first && clock(at, zone, false) === "00:00") ? date : clock(at, zone, false);
  });
}

/** Lines for marks, and a veil over the step that isn't over yet. */
function drawMarks(plot: uPlot, { at, step, marks, now }: Props, colour: string, veil: string): void {
  const { ctx, bbox } = plot;
  ctx.save();
  const last = at.at(-1);
  if (last !== undefined && last + step > now) {
    const x = plot.valToPos(last / 1000, "x", true);
    ctx.fillStyle = veil;
    ctx.fillRect(x, bbox.top, bbox.left + bbox.width - x, bbox.height);
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    const x = Math.round(plot.valToPos(mark.at / 1000, "x", true)) + 0.5;
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - 6 * devicePixelRatio);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

/** Where the words of marks stand; those that would lie on another one are left out, as they are in the list below. */
function flagsOf(plot: uPlot, { marks }: Props): { mark: Mark; left: number }[] {
  const found: { mark: Mark; left: number }[] = [];
  let free = -1;
  for (const mark of marks) {
    const left = Y_WIDTH + plot.valToPos(mark.at / 1000, "x");
    if (left < Math.max(Y_WIDTH, free) || left > plot.width - RIGHT) continue;
    found.push({ mark, left: Math.min(left, plot.width - 90) });
    free = left + 104;
  }
  return found;
}
