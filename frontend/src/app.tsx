/** Which page an address means. */

import type { ComponentType, JSX } from "preact";

import { Empty } from "./components/Empty";
import OverviewPage from "./pages/overview";
import { route, unquoted } from "./router";
import { Shell } from "./shell";
import { Link, lazy, Page } from "./ui";

type Plain = ComponentType<object>;
type QueuePage = ComponentType<{ queue: string }>;

const from = <P extends object>(load: () => Promise<{ default: ComponentType<P> }>) => lazy(() => load().then((module) => module.default));

const PLAIN: Record<string, Plain> = {
  "/": OverviewPage,
  "/failures": from(() => import("./pages/failures")),
  "/schedulers": from(() => import("./pages/schedulers")),
  "/workers": from(() => import("./pages/workers")),
  "/metrics": from(() => import("./pages/metrics")),
  "/alerts": from(() => import("./pages/alerts")),
  "/redis": from(() => import("./pages/redis")),
  "/audit": from(() => import("./pages/audit")),
  "/compare": from(() => import("./pages/compare")),
};

const OF_QUEUE: Record<string, QueuePage> = {
  "": from(() => import("./pages/queue")),
  job: from(() => import("./pages/job")),
  flow: from(() => import("./pages/flow")),
};

export function App(): JSX.Element {
  return (
    <Shell>
      <Chosen />
    </Shell>
  );
}

function Chosen(): JSX.Element {
  const { path } = route.value;
  const Found = PLAIN[path];
  if (Found) return <Found key={path} />;
  const parts = path.split("/").slice(1);
  const OfQueue = parts[0] === "queues" && parts.length <= 3 ? OF_QUEUE[parts[2] ?? ""] : undefined;
  const queue = unquoted(parts[1]);
  if (OfQueue && queue) return <OfQueue key={path} queue={queue} />;
  return (
    <Page title="Not found">
      <Empty title="There is no such page" action={<Link to="/">Go to the overview</Link>}>
        The address may be from another version of the dashboard.
      </Empty>
    </Page>
  );
}
