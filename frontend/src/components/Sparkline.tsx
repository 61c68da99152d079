/** The last hour (or day) in the size of a word: done as an area, failed over it on the same scale. */

import { num, plural } from "../lib/format";

interface Props {
  /** How many were done in each minute, oldest first. */
  done: readonly number[];
  failed: readonly number[];
  /** What one point stands for. */
  unit?: "minute" | "hour";
  width?: number;
  height?: number;
}

export function Sparkline({ done, failed, unit = "minute", width = 100, height = 24 }: Props) {
  const points = Math.max(done.length, failed.length);
  if (points < 2) return <span class="muted">–</span>;
  const most = Math.max(1, ...done, ...failed);
  const bar = (values: readonly number[]) => steps(values, points, most, width, height - 2);
  const label = spoken(done, failed, unit);
  return (
    <svg class="spark" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
      <title>{label}</title>
      <path class="spark-base" d={`M0 ${height - 1.5}H${width}`} />
      {done.some(Boolean) ? <path class="spark-done" d={bar(done)} /> : null}
      {failed.some(Boolean) ? <path class="spark-failed" d={bar(failed)} /> : null}
    </svg>
  );
}

/** Steps, not curves: a curve draws rates that never were. What is not nothing is at least one pixel high. */
function steps(values: readonly number[], points: number, most: number, width: number, floor: number): string {
  const step = width / points;
  const first = points - values.length;
  let path = `M${(first * step).toFixed(1)} ${floor + 1}`;
  values.forEach((value, index) => {
    const y = value > 0 ? Math.min(floor - 0.5, floor - (value / most) * (floor - 1)) : floor + 1;
    path += `V${y.toFixed(1)}H${((first + index + 1) * step).toFixed(1)}`;
  });
  return `${path}V${floor + 1}Z`;
}

function spoken(done: readonly number[], failed: readonly number[], unit: "minute" | "hour"): string {
  const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
  const span = unit === "minute" ? `Last ${plural(Math.max(done.length, failed.length), "minute")}` : `Last ${plural(Math.max(done.length, failed.length), "hour")}`;
  if (done.length === 0) return `${span}: ${num(sum(failed))} failed, at most ${num(Math.max(0, ...failed))} an hour`;
  const top = done.map((value, index) => value + (failed[index] ?? 0));
  return `${span}: ${num(sum(done))} done, ${num(sum(failed))} failed, at most ${num(Math.max(0, ...top))} a ${unit}`;
}
