/** What a queue's page shows and can do, as calls of the API: the list just as it is filtered now. */

import type { JSX } from "preact";

import { address, part, serverNow, url } from "../api";
import { ApiCalls, type Call } from "../components/ApiCalls";
import { isEmpty, parse, toQuery } from "../lib/filter";
import { curl } from "../lib/curl";
import { route } from "../router";
import { may, zone } from "../state";
import { PAGE } from "./chosen";
import { orderOf } from "./order";

function callsOf(queue: string, paused: boolean): Call[] {
  const { query } = route.value;
  const path = `/queues/${part(queue)}`;
  const state = query.get("state") ?? "waiting";
  const filter = parse(query.get("q") ?? "");
  const asked = { ...(isEmpty(filter) ? {} : toQuery(filter, serverNow(), zone.value)), fingerprint: query.get("fingerprint") };
  const one = state === "any" ? null : state;
  const searching = one === null || !isEmpty(filter) || asked.fingerprint !== null;
  const list = searching ? url(`${path}/search`, { state: one, ...asked }) : url(`${path}/jobs`, { state, start: query.get("start"), count: PAGE, order: orderOf(state) });
  const get = (word: string, to: string): Call => ({ word, text: curl(address(to)) });
  return [
    get("Read this list", list),
    get("Read the queue’s numbers", path),
    ...(may("export") ? [{ word: "Save these jobs", text: `${curl(address(url(`${path}/export`, { format: "ndjson", state: one, ...asked })))} -o jobs.ndjson` }] : []),
    ...(may("pause") ? [{ word: paused ? "Resume it" : "Pause it", text: curl(address(`${path}/${paused ? "resume" : "pause"}`), {}) }] : []),
    ...(may("add") ? [{ word: "Add a job", text: curl(address(`${path}/add`), { name: "a-name", data: {} }) }] : []),
  ];
}

export function QueueCalls({ queue, paused, onClose }: { queue: string; paused: boolean; onClose: () => void }): JSX.Element {
  return <ApiCalls calls={callsOf(queue, paused)} onClose={onClose} />;
}
