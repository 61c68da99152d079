/** What can be done with a job in the page, as calls of the API. */

import type { JSX } from "preact";

import { address, part, url } from "../api";
import { ApiCalls, type Call } from "../components/ApiCalls";
import { curl } from "../lib/curl";
import type { JobDetail } from "../shapes";
import { may } from "../state";
import { canBe } from "../states";

function callsOf(job: JobDetail): Call[] {
  const path = `/queues/${part(job.queue)}/job`;
  const act = (word: string, action: string, allowed: boolean, more: Record<string, string | number> = {}): Call[] => (allowed ? [{ word, text: curl(address(`${path}/${action}`), { id: job.id, ...more }) }] : []);
  return [
    { word: "Read it", text: curl(address(url(path, { id: job.id }))) },
    ...(may("view_data") ? [{ word: "Read its logs", text: curl(address(url(`${path}/logs`, { id: job.id }))) }] : []),
    ...act("Retry it", "retry", may("retry") && canBe("retry", job.state)),
    ...act("Promote it", "promote", may("promote") && canBe("promote", job.state)),
    ...act("Cancel it", "cancel", may("cancel") && job.state === "active"),
    ...act("Change its priority", "priority", may("edit") && canBe("priority", job.state), { priority: 1 }),
    ...act("Run it in a minute", "delay", may("edit") && canBe("delay", job.state), { delay: 60_000 }),
    ...act("Remove it", "remove", may("remove") && canBe("remove", job.state)),
  ];
}

export function JobCalls({ job, onClose }: { job: JobDetail; onClose: () => void }): JSX.Element {
  return <ApiCalls calls={callsOf(job)} onClose={onClose} />;
}
