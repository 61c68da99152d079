/** The Redis that holds all jobs: whether it may lose some, and how full it is. */

import type { ComponentChildren, JSX } from "preact";

import { useApi } from "../api";
import { bytes, num, percent } from "../lib/format";
import { span } from "../lib/time";
import type { Redis } from "../shapes";
import { Banner, Broken, Loading, Page } from "../ui";

export default function RedisPage(): JSX.Element {
  const { data, error, loading, refresh } = useApi<Redis>("/redis", { every: 5000 });
  return (
    <Page title="Redis" lead={data ? `${data.kind === "valkey" ? "Valkey" : "Redis"} ${data.version}, ${data.mode}, at ${data.address}` : undefined}>
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data ? <Shown redis={data} /> : null}
    </Page>
  );
}

function Shown({ redis }: { redis: Redis }): JSX.Element {
  return (
    <>
      {redis.warnings.map((warning) => (
        <Banner key={warning} kind="warn">
          {warning}
        </Banner>
      ))}
      <div class="redis">
        <section class="card redis-memory" aria-label="Memory">
          <div class="card-head">
            <h2>Memory</h2>
            {redis.maximum ? <span class="muted">{percent(redis.used, redis.maximum)} used</span> : null}
          </div>
          <div class="card-body">
            <Memory redis={redis} />
          </div>
        </section>
        <section class="card" aria-label="How it is set up">
          <div class="card-head">
            <h2>Safety</h2>
          </div>
          <dl class="facts card-body">
            <dt>When memory is full</dt>
            <dd>
              {redis.policy === "noeviction" ? "new jobs are refused, none is lost" : "keys are deleted, and jobs with them"} <span class="mono muted">{redis.policy}</span>
            </dd>
            <dt>On disk</dt>
            <dd>{redis.persistence}</dd>
            <dt>Fragmentation</dt>
            <dd>
              {redis.fragmentation.toFixed(2)}{" "}
              <span class="muted">{redis.used < 100_000_000 ? "means nothing while so little is used" : redis.fragmentation > 1.5 ? "much memory lies idle" : "fine"}</span>
            </dd>
          </dl>
        </section>
        <section class="tiles" aria-label="Right now">
          <Tile label="Commands a second" value={num(redis.per_second)} />
          <Tile label="Clients" value={num(redis.clients)} note={redis.blocked ? `${num(redis.blocked)} waiting for jobs or events` : undefined} />
          <Tile label="Up for" value={span(redis.uptime)} />
        </section>
      </div>
    </>
  );
}

export function Tile({ label, value, note, state, children }: { label: string; value: ComponentChildren; note?: ComponentChildren; state?: string; children?: ComponentChildren }): JSX.Element {
  return (
    <div class="tile" data-state={state}>
      <span class="tile-label">{label}</span>
      <span class="tile-value">{value}</span>
      {note ? <span class="tile-note">{note}</span> : null}
      {children}
    </div>
  );
}

function Memory({ redis }: { redis: Redis }): JSX.Element {
  const whole = redis.maximum || Math.max(redis.peak, redis.used) * 1.15;
  const part = (value: number) => Math.min(100, (value / whole) * 100);
  const near = redis.maximum > 0 && redis.used / redis.maximum >= 0.8;
  const text = `${bytes(redis.used)} used, at most ${bytes(redis.peak)} so far${redis.maximum ? `, of ${bytes(redis.maximum)}` : ", without a limit"}`;
  return (
    <>
      <p class="memory-words">
        <b>{bytes(redis.used)}</b> {redis.maximum ? `of ${bytes(redis.maximum)}` : <span class="muted">without a limit</span>}
      </p>
      <svg class="memory" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={text} data-near={near}>
        <title>{text}</title>
        <rect class="memory-all" width={100} height={6} />
        <rect class="memory-peak" width={part(redis.peak)} height={6} />
        <rect class="memory-used" width={part(redis.used)} height={6} />
      </svg>
      <p class="memory-legend">
        <span data-is="used">used now</span>
        <span data-is="peak">peak {bytes(redis.peak)}</span>
        {redis.maximum ? <span data-is="all">limit {bytes(redis.maximum)}</span> : null}
      </p>
    </>
  );
}
