/** Throughput over time: what was done as steps, failures over them on the same scale. Arrow keys read single values. */

import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { compact, num, percent } from "../lib/format";
import { clock, when, type Zone } from "../lib/time";

interface Props {
  /** Per step, oldest first; the last one ends at `end`. */
  completed: readonly number[];
  failed: readonly number[];
  /** When the last step ends. */
  end: number;
  /** How long a step is. */
  step: number;
  /** What a step is called: "minute". */
  unit: string;
  zone: Zone;
  height?: number;
}

const LEFT = 52;
const RIGHT = 18;
const TOP = 12;
const BOTTOM = 26;

export function Chart({ completed, failed, end, step, unit, zone, height = 260 }: Props): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  const [at, setAt] = useState<number | null>(null);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = () => setWidth(Math.max(260, element.clientWidth));
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const points = Math.max(completed.length, failed.length, 1);
  const grid = ticks(Math.max(2, ...completed.map((value, index) => value + (failed[index] ?? 0))));
  const top = grid.at(-1) ?? 1;
  const [across, down] = [width - LEFT - RIGHT, height - TOP - BOTTOM];
  const x = (index: number) => LEFT + (index / points) * across;
  const y = (value: number) => TOP + down - (value / top) * down;
  const startOf = (index: number) => end - (points - index) * step;
  const both = failed.map((value, index) => value + (completed[index] ?? 0));

  const area = (values: readonly number[], under?: readonly number[]) => {
    let path = `M${x(0)} ${y(under?.[0] ?? 0).toFixed(1)}`;
    values.forEach((value, index) => (path += `V${y(value).toFixed(1)}H${x(index + 1).toFixed(1)}`));
    if (!under) return `${path}V${y(0)}Z`;
    for (let index = under.length - 1; index >= 0; index--) path += `V${y(under[index] ?? 0).toFixed(1)}H${x(index).toFixed(1)}`;
    return `${path}Z`;
  };
  const ridge = (values: readonly number[]) => values.reduce((path, value, index) => `${path}${index ? "V" : `M${x(0)} `}${y(value).toFixed(1)}H${x(index + 1).toFixed(1)}`, "");

  const point = (event: PointerEvent) => {
    const frame = box.current?.getBoundingClientRect();
    const index = Math.floor(((event.clientX - (frame?.left ?? 0) - LEFT) / across) * points);
    setAt(index >= 0 && index < points ? index : null);
  };
  const onKey = (event: KeyboardEvent) => {
    const from = at ?? points;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, PageUp: from - 10, PageDown: from + 10, Home: 0, End: points - 1 }[event.key];
    if (event.key === "Escape" && at !== null) setAt(null);
    else if (to === undefined) return;
    else setAt(Math.min(points - 1, Math.max(0, to)));
    event.preventDefault();
  };

  const said = at === null ? "" : `${clock(startOf(at), zone, false)}: ${num(completed[at] ?? 0)} done, ${num(failed[at] ?? 0)} failed`;
  return (
    <div class="chart" ref={box}>
      <svg
        width={width}
        height={height}
        viewBox={`0 0 ${width} ${height}`}
        role="slider"
        tabindex={0}
        aria-label={`Jobs per ${unit}. Arrow keys read single ${unit}s.`}
        aria-valuemin={0}
        aria-valuemax={points - 1}
        aria-valuenow={at ?? points - 1}
        aria-valuetext={said || "all"}
        onPointerMove={point}
        onPointerLeave={() => setAt(null)}
        onKeyDown={onKey}
        onBlur={() => setAt(null)}
      >
        {grid.map((value) => (
          <g key={value}>
            <path class="chart-grid" data-base={value === 0} d={`M${LEFT} ${Math.round(y(value)) + 0.5}H${width - RIGHT}`} />
            <text class="chart-word" x={LEFT - 8} y={y(value) + 4} text-anchor="end">
              {compact(value)}
            </text>
          </g>
        ))}
        {times(startOf(0), end, Math.max(2, Math.floor(across / 90)), zone).map((moment) => {
          const place = LEFT + ((moment - startOf(0)) / (points * step)) * across;
          return (
            <g key={moment}>
              <path class="chart-tick" d={`M${place.toFixed(1)} ${TOP + down}v4`} />
              <text class="chart-word" x={place} y={height - 6} text-anchor={place > width - 40 ? "end" : place < LEFT + 20 ? "start" : "middle"}>
                {points * step > 20 * 3_600_000 ? when(moment, end + 30 * 86_400_000, zone).replace(/^\w+,? /, "") : clock(moment, zone, false)}
              </text>
            </g>
          );
        })}
        <path class="chart-done" d={area(completed)} />
        <path class="chart-done-line" d={ridge(completed)} />
        {failed.some(Boolean) ? <path class="chart-failed" d={area(both, completed)} /> : null}
        {at === null ? null : (
          <g class="chart-at">
            <rect x={x(at)} y={TOP} width={Math.max(1, across / points)} height={down} />
          </g>
        )}
      </svg>
      {at === null ? null : (
        <div class="chart-tip" data-side={at > points / 2 ? "left" : "right"} ref={(element) => {
            element?.style.setProperty("--x", `${x(at) + across / points / 2}px`);
          }}
        >
          <b>
            {when(startOf(at), end, zone).replace(/(\d\d:\d\d):00$/, "$1")}–{clock(startOf(at) + step, zone, false)}
          </b>
          <span data-state="completed">
            <i /> {num(completed[at] ?? 0)} done
          </span>
          <span data-state="failed">
            <i /> {num(failed[at] ?? 0)} failed
            {failed[at] ? <em> {percent(failed[at] ?? 0, (failed[at] ?? 0) + (completed[at] ?? 0))}</em> : null}
          </span>
        </div>
      )}
    </div>
  );
}

/** Round numbers from nought to a little above the most: at most five steps of 1, 2 or 5 with noughts. */
function ticks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most));
  const step = Math.max(1, [0.2, 0.5, 1, 2].map((lead) => lead * power).find((one) => most / one <= 5) ?? power);
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step);
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].map((minutes) => minutes * 60_000);

/** Round times between two, at most so many: by the clock of the viewer. */
function times(from: number, to: number, most: number, zone: Zone): number[] {
  const step = STEPS.find((one) => (to - from) / one <= most) ?? STEPS.at(-1) ?? 1;
  const ahead = zone === "utc" ? 0 : -new Date(to).getTimezoneOffset() * 60_000;
  const found: number[] = [];
  for (let at = Math.ceil((from + ahead) / step) * step - ahead; at <= to; at += step) found.push(at);
  return found;
}
