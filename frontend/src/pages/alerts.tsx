/** What somebody is told of, and whether it is so now. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { post, useApi } from "../api";
import { Empty } from "../components/Empty";
import { Visible } from "../components/Visible";
import { Icon } from "../icons";
import { num, plural, visible } from "../lib/format";
import { toQueue } from "../router";
import type { AlertRule, Alerts, Done } from "../shapes";
import { may } from "../state";
import { Broken, Button, Copy, Link, Loading, Page, perform, Time } from "../ui";

/** Which list shows what a rule is about. */
const STATE: Record<AlertRule["kind"], string | null> = { failures: "failed", waiting: "waiting", oldest_waiting: "waiting", no_workers: "waiting", stalled: "active", paused: null };

export default function AlertsPage(): JSX.Element {
  const { data, error, loading, refresh } = useApi<Alerts>("/alerts", { every: 5000 });
  const rules = (data?.rules ?? []).toSorted((a, b) => Number(b.firing.length > 0) - Number(a.firing.length > 0));
  const firing = rules.filter((rule) => rule.firing.length).length;
  return (
    <Page title="Alerts" lead={rules.length ? `${plural(rules.length, "rule")}, ${firing ? `${num(firing)} of them ${firing === 1 ? "holds" : "hold"} now` : "none of them holds now"}.` : "Messages to you when something goes wrong."}>
      {loading ? <Loading /> : null}
      {error && !data ? <Broken error={error} retry={refresh} /> : null}
      {data && rules.length === 0 ? <HowTo /> : null}
      {rules.length ? (
        <div class="sheet">
          <table class="table cards alerts">
            <caption class="sr">Rules, those that hold now first</caption>
            <thead>
              <tr>
                <th scope="col">Rule</th>
                <th scope="col">Now</th>
                <th scope="col">Goes to</th>
                <th scope="col">Last sent</th>
                <th scope="col">
                  <span class="sr">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {rules.map((rule) => (
                <Rule key={rule.id} rule={rule} />
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </Page>
  );
}

function Rule({ rule }: { rule: AlertRule }): JSX.Element {
  const [busy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    await perform(() => post<Done>("/alerts/test", { id: rule.id }));
    setBusy(false);
  };
  const state = STATE[rule.kind];
  return (
    <tr data-firing={rule.firing.length > 0}>
      <th scope="row">
        <div class="two">
          <span class="alerts-words">
            <Visible text={rule.words[0]?.toUpperCase() + rule.words.slice(1)} />
          </span>
          {rule.problem ? (
            <span class="alerts-problem">
              <Icon name="warn" size={13} /> Could not be sent: <Visible text={rule.problem} />
            </span>
          ) : null}
        </div>
      </th>
      <td data-label="Now">
        {rule.firing.length ? (
          <span class="alerts-firing">
            <span class="badge" data-kind="bad">
              <Icon name="warn" size={12} /> holds
            </span>{" "}
            in{" "}
            {rule.firing.slice(0, 5).map((queue, index) => (
              <span key={queue}>
                {index ? ", " : ""}
                <Link to={toQueue(queue, state ? { state } : {})}>
                  <Visible text={queue} />
                </Link>
              </span>
            ))}
            {rule.firing.length > 5 ? ` and ${num(rule.firing.length - 5)} more` : ""}
          </span>
        ) : (
          <span class="muted">quiet</span>
        )}
      </td>
      <td data-label="Goes to">
        <ul class="alerts-to">
          {rule.to.map((one) => (
            <li key={one}>
              <Visible text={one} />
            </li>
          ))}
        </ul>
      </td>
      <td data-label="Last sent">{rule.last === null ? <span class="muted">never</span> : <Time at={rule.last} />}</td>
      <td class="alerts-do">
        {may("alerts") ? (
          <Button icon="bolt" busy={busy} title={`Send a test message to ${visible(rule.to.join(", "))}`} onClick={() => void test()}>
            Send a test
          </Button>
        ) : null}
      </td>
    </tr>
  );
}

const CODE = `from oxcart.dashboard import Alert, Dashboard, slack, webhook

ops = [
    slack("https://hooks.slack.com/…"),
    webhook("https://example.com/jobs"),
]
dashboard = Dashboard(
    alerts=[
        Alert("failures", over=10, within=300, to=ops),
        Alert("oldest_waiting", queues="email*", over=900, to=ops),
        Alert("no_workers", to=ops),
    ],
)`;

function HowTo(): JSX.Element {
  return (
    <Empty
      title="No rules are set"
      action={
        <div class="code">
          <pre tabIndex={0} role="region" aria-label="Example">
            {CODE}
          </pre>
          <Copy text={CODE} label="Copy the example" />
        </div>
      }
    >
      Rules stand in the program that mounts the dashboard. They are looked at while it runs, whether or not anybody has this page open:
    </Empty>
  );
}
