/** A flow as a graph: parents above their children, a tidy tree drawn as SVG. */

import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { Icon, StateIcon } from "../icons";
import { clip, middle, num, plural, visible } from "../lib/format";
import { layout, type Placed } from "../lib/tree";
import type { FlowNode } from "../shapes";
import { wordOf } from "../states";
import { Visible } from "./Visible";

export interface FlowProps {
  root: FlowNode;
  /** The key of the job that the page is about. */
  of: string;
  chosen: string;
  onChoose: (key: string) => void;
  onOpen: (node: FlowNode) => void;
  /** Ask for children that are not here yet. */
  onMore?: (() => void) | undefined;
}

export function keyOf(node: { queue: string; id: string }): string {
  return `${node.queue} ${node.id}`;
}

/** All jobs of a flow that are here, parents first. */
export function jobsOf(root: FlowNode): FlowNode[] {
  const all: FlowNode[] = [];
  const waiting = [root];
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    all.push(node);
    waiting.push(...node.children.toReversed());
  }
  return all;
}

/** How far a job says it is, if it says so by a number. */
export function partOf(node: FlowNode): number | null {
  return typeof node.progress === "number" && node.progress > 0 && node.state !== "completed" ? Math.min(100, node.progress) : null;
}

/** What the keys do in both views. */
function useTree({ root, chosen, onChoose, onOpen }: FlowProps) {
  const [folded, setFolded] = useState<ReadonlySet<string>>(new Set());
  const placed = useMemo(() => layout(root, (node) => (folded.has(keyOf(node)) ? [] : node.children), keyOf), [root, folded]);
  const at = placed.nodes.find((one) => one.key === chosen) ?? placed.nodes[0];
  const fold = (one: Placed<FlowNode>, shut: boolean) => {
    const next = new Set(folded);
    if (shut) next.add(one.key);
    else next.delete(one.key);
    setFolded(next);
  };
  /** Answers whether the key meant something. */
  const onKey = (event: KeyboardEvent, upDown: (one: Placed<FlowNode>, by: 1 | -1) => Placed<FlowNode> | undefined): boolean => {
    if (!at || event.metaKey || event.ctrlKey || event.altKey) return false;
    const go = (to: Placed<FlowNode> | undefined | null) => to && onChoose(to.key);
    const shut = folded.has(at.key) && at.node.children.length > 0;
    switch (event.key) {
      case "ArrowRight":
        shut ? fold(at, false) : go(at.children[0]);
        break;
      case "ArrowLeft":
        go(at.parent);
        break;
      case "ArrowDown":
        go(upDown(at, 1));
        break;
      case "ArrowUp":
        go(upDown(at, -1));
        break;
      case "Home":
        go(placed.nodes[0]);
        break;
      case "End":
        go(placed.nodes.at(-1));
        break;
      case " ":
        if (at.node.children.length) fold(at, !shut);
        break;
      case "Enter":
        onOpen(at.node);
        break;
      default:
        return false;
    }
    return true;
  };
  return { placed, at, folded, fold, onKey };
}

/** What a reader hears of a job. */
function spoken(one: Placed<FlowNode>): string {
  const { node } = one;
  const part = partOf(node);
  const below = node.children.length + node.more;
  return visible([node.name, wordOf(node.state).toLowerCase(), part === null ? "" : `${Math.round(part)} %`, `in ${node.queue}`, below ? plural(below, "child", "children") : ""].filter(Boolean).join(", "));
}

// ------------------------------------------------------------------------------------------------------- the graph

const WIDTH = 186;
const TALL = 54;
const LOW = 28;
/** With more jobs below each other than this, a line is all that each gets. */
const MANY = 9;
const ACROSS = 44;
const MARGIN = 18;

interface Sight {
  x: number;
  y: number;
  scale: number;
}

const LEAST = 0.2;
const MOST = 2;

/** A flow as a picture: children to the right of their parents. */
export function FlowGraph(props: FlowProps): JSX.Element {
  const { placed, at, folded, fold, onKey } = useTree(props);
  const box = useRef<HTMLDivElement>(null);
  const svg = useRef<SVGSVGElement>(null);
  const [size, setSize] = useState({ width: 900, height: 420 });
  const low = placed.breadth > MANY * 1.25;
  const tall = low ? LOW : TALL;
  const width = placed.depth * (WIDTH + ACROSS) - ACROSS + MARGIN * 2;
  const height = placed.breadth * tall + tall + MARGIN * 2;
  const [sight, setSight] = useState<Sight | null>(null);
  const fitting = fit(width, height, size);
  const seen = sight ?? fitting;

  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = () => setSize({ width: element.clientWidth || 900, height: element.clientHeight || 420 });
    measure();
    const watch = new ResizeObserver(measure);
    watch.observe(element);
    return () => watch.disconnect();
  }, []);

  const x = (one: Placed<FlowNode>) => MARGIN + one.depth * (WIDTH + ACROSS);
  const y = (one: Placed<FlowNode>) => MARGIN + one.breadth * tall;

  // The job that the keys have moved to has to be seen.
  const byKey = useRef(false);
  useEffect(() => {
    if (!byKey.current || !at) return;
    byKey.current = false;
    svg.current?.querySelector<SVGElement>(`[data-key="${CSS.escape(at.key)}"]`)?.focus({ preventScroll: true });
    const [left, top] = [x(at) * seen.scale + seen.x, y(at) * seen.scale + seen.y];
    const [right, bottom] = [left + WIDTH * seen.scale, top + tall * seen.scale];
    const moveX = left < 12 ? 12 - left : right > size.width - 12 ? size.width - 12 - right : 0;
    const moveY = top < 12 ? 12 - top : bottom > size.height - 12 ? size.height - 12 - bottom : 0;
    if (moveX || moveY) setSight({ ...seen, x: seen.x + moveX, y: seen.y + moveY });
  }, [at?.key]);

  const zoom = (by: number, around = { x: size.width / 2, y: size.height / 2 }) => {
    const scale = Math.min(MOST, Math.max(LEAST, seen.scale * by));
    const ratio = scale / seen.scale;
    setSight({ scale, x: around.x - (around.x - seen.x) * ratio, y: around.y - (around.y - seen.y) * ratio });
  };
  const hands = useHands(svg, { width, height }, seen, setSight, zoom);

  const keyDown = (event: KeyboardEvent) => {
    const zooms: Record<string, () => void> = { "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), "0": () => setSight(null) };
    const done = zooms[event.key];
    byKey.current = true;
    if (done && !event.metaKey && !event.ctrlKey) done();
    else if (!onKey(event, (one, by) => beside(placed.nodes, one, by))) return void (byKey.current = false);
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div class="flow" ref={box}>
      <svg
        ref={svg}
        class="flow-sight"
        width={size.width}
        height={size.height}
        role="tree"
        aria-label="The flow. Arrow keys move, Space folds, Enter opens the job."
        onKeyDown={keyDown}
        {...hands}
      >
        <g role="presentation" transform={`translate(${seen.x.toFixed(1)} ${seen.y.toFixed(1)}) scale(${seen.scale.toFixed(4)})`}>
          <g aria-hidden="true">
            {placed.nodes.map((one) =>
              one.parent ? <path key={one.key} class="flow-edge" data-state={one.node.state} d={curve(x(one.parent) + WIDTH, y(one.parent) + tall / 2, x(one), y(one) + tall / 2)} /> : null,
            )}
          </g>
          {placed.nodes.map((one) => (
            <Box
              key={one.key}
              one={one}
              x={x(one)}
              y={y(one)}
              tall={tall}
              folded={folded.has(one.key)}
              mine={one.key === props.of}
              chosen={one.key === at?.key}
              onChoose={() => props.onChoose(one.key)}
              onOpen={() => props.onOpen(one.node)}
              onFold={(shut) => fold(one, shut)}
            />
          ))}
        </g>
      </svg>
      <div class="flow-tools" role="group" aria-label="View">
        <Tool label="Zoom in" drawn="M12 5v14M5 12h14" run={() => zoom(1.25)} />
        <Tool label="Zoom out" drawn="M5 12h14" run={() => zoom(0.8)} />
        <Tool label="Fit all" drawn="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" run={() => setSight(null)} />
      </div>
    </div>
  );
}

function Tool({ label, drawn, run }: { label: string; drawn: string; run: () => void }): JSX.Element {
  return (
    <button type="button" class="icon-button" aria-label={label} title={label} onClick={run}>
      <svg class="icon" width={16} height={16} viewBox="0 0 24 24" aria-hidden="true">
        <path d={drawn} />
      </svg>
    </button>
  );
}

interface BoxProps {
  one: Placed<FlowNode>;
  x: number;
  y: number;
  tall: number;
  folded: boolean;
  mine: boolean;
  chosen: boolean;
  onChoose: () => void;
  onOpen: () => void;
  onFold: (shut: boolean) => void;
}

function Box({ one, x, y, tall, folded, mine, chosen, onChoose, onOpen, onFold }: BoxProps): JSX.Element {
  const { node } = one;
  const part = partOf(node);
  const below = node.children.length;
  const low = tall === LOW;
  const siblings = one.parent?.node.children ?? [node];
  return (
    <g
      class="flow-node"
      transform={`translate(${x} ${y})`}
      data-state={node.state}
      data-key={one.key}
      data-mine={mine}
      role="treeitem"
      aria-level={one.depth + 1}
      aria-setsize={siblings.length}
      aria-posinset={siblings.indexOf(node) + 1}
      aria-expanded={below ? !folded : undefined}
      aria-selected={chosen}
      // In SVG the name of this attribute has to be written small.
      tabindex={chosen ? 0 : -1}
      onClick={onChoose}
      onDblClick={onOpen}
    >
      <title>{`${spoken(one)}\n${visible(node.id)}${node.failed_reason ? `\n${visible(clip(node.failed_reason, 300))}` : ""}`}</title>
      <rect class="flow-ring" x={-4} y={-4} width={WIDTH + 8} height={tall + 8} rx={12} />
      <rect class="flow-box" width={WIDTH} height={tall} rx={8} />
      <path class="flow-stripe" d={`M8 0.5 H5 V${tall - 0.5} H8 A7.5 7.5 0 0 1 .5 ${tall - 8} V8 A7.5 7.5 0 0 1 8 .5z`} />
      <g class="flow-icon" transform={low ? "translate(13 7)" : "translate(14 10)"}>
        <StateIcon state={node.state} size={low ? 14 : 15} />
      </g>
      <text aria-hidden="true" class="flow-name" x={low ? 34 : 36} y={low ? 18.5 : 22}>
        {clip(visible(node.name), low ? 12 : 19)}
      </text>
      {low ? (
        <text aria-hidden="true" class="flow-id" x={WIDTH - 16} y={18} text-anchor="end">
          {middle(visible(node.id), 9)}
        </text>
      ) : (
        <text aria-hidden="true" class="flow-more" x={14} y={42}>
          {clip(visible(node.queue), 13)}
          <tspan class="flow-id" dx={6}>
            {middle(visible(node.id), 10)}
          </tspan>
        </text>
      )}
      {part === null ? null : (
        <>
          <rect class="flow-part-all" x={14} y={tall - (low ? 4 : 6)} width={WIDTH - 24} height={3} rx={1.5} />
          <rect class="flow-part" x={14} y={tall - (low ? 4 : 6)} width={((WIDTH - 24) * part) / 100} height={3} rx={1.5} />
        </>
      )}
      {below ? (
        <g
          class="flow-fold"
          transform={`translate(${WIDTH} ${tall / 2})`}
          onClick={(event) => {
            event.stopPropagation();
            onFold(!folded);
          }}
          onDblClick={(event) => event.stopPropagation()}
        >
          <rect x={folded ? -13 : -9} y={-9} width={folded ? 26 : 18} height={18} rx={9} />
          <text aria-hidden="true" y={3.5} text-anchor="middle">
            {folded ? num(count(node)) : "−"}
          </text>
        </g>
      ) : null}
      {node.more && !folded ? (
        <text aria-hidden="true" class="flow-rest" x={WIDTH} y={tall + 13} text-anchor="end">
          and {plural(node.more, "more child", "more children")}
        </text>
      ) : null}
    </g>
  );
}

function count(node: FlowNode): number {
  return jobsOf(node).length - 1;
}

function curve(x1: number, y1: number, x2: number, y2: number): string {
  const bend = (x2 - x1) / 2;
  return `M${x1} ${y1.toFixed(1)}C${x1 + bend} ${y1.toFixed(1)} ${x2 - bend} ${y2.toFixed(1)} ${x2} ${y2.toFixed(1)}`;
}

/** All of it in sight if it can be read then; else as small as can be read, from its root. */
function fit(width: number, height: number, size: { width: number; height: number }): Sight {
  const whole = Math.min(size.width / width, size.height / height, 1.15);
  const scale = Math.max(whole, 0.6);
  return { scale, x: Math.max(0, (size.width - width * scale) / 2), y: (size.height - height * scale) / 2 > 0 || scale === whole ? (size.height - height * scale) / 2 : Math.min(0, (size.height - height * scale) / 2) };
}

/** The next box up or down in the same column. */
function beside(nodes: Placed<FlowNode>[], one: Placed<FlowNode>, by: 1 | -1): Placed<FlowNode> | undefined {
  const column = nodes.filter((other) => other.depth === one.depth).sort((a, b) => a.breadth - b.breadth);
  return column[column.indexOf(one) + by];
}

type Hands = Pick<JSX.SVGAttributes<SVGSVGElement>, "onPointerDown" | "onPointerMove" | "onPointerUp" | "onPointerCancel">;

/** One finger or the mouse moves the picture, two fingers or Ctrl with the wheel make it bigger. */
function useHands(svg: { current: SVGSVGElement | null }, whole: { width: number; height: number }, seen: Sight, setSight: (sight: Sight) => void, zoom: (by: number, around: { x: number; y: number }) => void): Hands {
  const fingers = useRef(new Map<number, { x: number; y: number }>());
  const now = useRef({ seen, zoom, whole });
  now.current = { seen, zoom, whole };
  const place = (event: MouseEvent) => {
    const frame = svg.current?.getBoundingClientRect();
    return { x: event.clientX - (frame?.left ?? 0), y: event.clientY - (frame?.top ?? 0) };
  };
  useEffect(() => {
    const onWheel = (event: WheelEvent) => {
      if (!event.ctrlKey && !event.metaKey) return scroll(event);
      event.preventDefault();
      now.current.zoom(Math.exp(-Math.max(-60, Math.min(60, event.deltaY)) / 120), place(event));
    };
    /** The wheel alone moves the picture as far as there is more of it, and then the page. */
    const scroll = (event: WheelEvent) => {
      const { seen, whole } = now.current;
      const frame = svg.current?.getBoundingClientRect();
      if (!frame) return;
      const moved = (at: number, by: number, long: number, room: number) => Math.max(Math.min(at, room - long), Math.min(Math.max(at, 0), at - by));
      const x = event.deltaX ? moved(seen.x, event.deltaX, whole.width * seen.scale, frame.width) : seen.x;
      const y = event.deltaY ? moved(seen.y, event.deltaY, whole.height * seen.scale, frame.height) : seen.y;
      if (x === seen.x && y === seen.y) return;
      event.preventDefault();
      setSight({ ...seen, x, y });
    };
    const mine = svg.current;
    mine?.addEventListener("wheel", onWheel, { passive: false });
    return () => mine?.removeEventListener("wheel", onWheel);
  }, []);
  const lift = (event: PointerEvent) => void fingers.current.delete(event.pointerId);
  return {
    onPointerDown: (event) => {
      if (event.button === 0) fingers.current.set(event.pointerId, place(event));
    },
    onPointerMove: (event) => {
      const before = fingers.current.get(event.pointerId);
      if (!before) return;
      const here = place(event);
      const other = [...fingers.current].find(([id]) => id !== event.pointerId)?.[1];
      if (other) {
        const far = (a: { x: number; y: number }) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
        now.current.zoom(far(here) / far(before), { x: (here.x + other.x) / 2, y: (here.y + other.y) / 2 });
      } else {
        if (Math.hypot(here.x - before.x, here.y - before.y) < 3 && !svg.current?.hasPointerCapture(event.pointerId)) return;
        svg.current?.setPointerCapture(event.pointerId);
        const { seen } = now.current;
        setSight({ ...seen, x: seen.x + here.x - before.x, y: seen.y + here.y - before.y });
      }
      fingers.current.set(event.pointerId, here);
    },
    onPointerUp: lift,
    onPointerCancel: lift,
  };
}

// -------------------------------------------------------------------------------------------------------- the list

/** The same flow as an outline: for narrow screens, and for those who like to read. */
export function FlowList(props: FlowProps): JSX.Element {
  const { placed, at, folded, fold, onKey } = useTree(props);
  const list = useRef<HTMLDivElement>(null);
  const byKey = useRef(false);
  useEffect(() => {
    if (byKey.current && at) list.current?.querySelector<HTMLElement>(`[data-key="${CSS.escape(at.key)}"]`)?.focus();
    byKey.current = false;
  }, [at?.key]);
  return (
    <div
      class="outline"
      role="tree"
      aria-label="The flow. Arrow keys move, Space folds, Enter opens the job."
      ref={list}
      onKeyDown={(event) => {
        byKey.current = true;
        if (!onKey(event, (one, by) => placed.nodes[placed.nodes.indexOf(one) + by])) return void (byKey.current = false);
        event.preventDefault();
        event.stopPropagation();
      }}
    >
      {placed.nodes.map((one) => {
        const { node } = one;
        const siblings = one.parent?.node.children ?? [node];
        const below = node.children.length;
        const shut = folded.has(one.key);
        return (
          <div
            key={one.key}
            class="outline-row"
            role="treeitem"
            data-key={one.key}
            data-state={node.state}
            data-mine={one.key === props.of}
            aria-level={one.depth + 1}
            aria-setsize={siblings.length}
            aria-posinset={siblings.indexOf(node) + 1}
            aria-expanded={below ? !shut : undefined}
            aria-selected={one.key === at?.key}
            tabIndex={one.key === at?.key ? 0 : -1}
            onClick={() => props.onChoose(one.key)}
            onDblClick={() => props.onOpen(node)}
          >
            {Array.from({ length: Math.min(one.depth, 12) }, (_, step) => (
              <i key={step} class="outline-step" />
            ))}
            <span
              class="outline-twist"
              onClick={(event) => {
                event.stopPropagation();
                if (below) fold(one, !shut);
              }}
            >
              {below ? <Icon name={shut ? "right" : "chevron"} size={13} /> : null}
            </span>
            <span class="outline-icon">
              <StateIcon state={node.state} size={15} />
            </span>
            <span class="outline-name">
              <Visible text={node.name} />
              {shut ? <span class="muted"> and {num(count(node))} folded</span> : null}
            </span>
            <span class="outline-state">
              {wordOf(node.state)}
              {partOf(node) === null ? "" : ` ${Math.round(partOf(node) ?? 0)} %`}
            </span>
            <span class="outline-where">
              <Visible text={node.queue} />
            </span>
            <span class="outline-id mono">{middle(visible(node.id), 14)}</span>
          </div>
        );
      })}
    </div>
  );
}
