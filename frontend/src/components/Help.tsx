/** The keys: what can be done without a mouse. */

import { Dialog } from "./Dialog";
import { helpOpen } from "./open";

export { openHelp } from "./open";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

const KEYS: readonly { title: string; keys: readonly [string, string][] }[] = [
  {
    title: "Anywhere",
    keys: [
      [MAC ? "⌘ K" : "Ctrl K", "Search or jump"],
      ["?", "This help"],
      ["/", "To the search box"],
      ["r", "Refresh"],
      ["u", "Up: to the list"],
      ["z", "Undo what was just done"],
      ["t", "Next theme"],
      ["Esc", "Close what is open"],
    ],
  },
  {
    title: "Go to",
    keys: [
      ["g o", "Overview"],
      ["g e", "Failures"],
      ["g s", "Schedulers"],
      ["g w", "Workers"],
      ["g m", "Metrics"],
      ["g l", "Alerts"],
      ["g r", "Redis"],
      ["g a", "Audit"],
    ],
  },
  {
    title: "Lists of jobs",
    keys: [
      ["j  k", "Next, previous"],
      ["x", "Select"],
      ["Enter", "Open"],
    ],
  },
  {
    title: "Data and flows",
    keys: [
      ["↑ ↓", "Move"],
      ["→ ←", "Unfold, fold"],
      ["c", "Copy a value"],
      ["p", "Copy its path"],
      ["+ − 0", "Zoom a flow, fit it"],
    ],
  },
];

/** The keys. */
export function Help() {
  if (!helpOpen.value) return null;
  return (
    <Dialog title="Keyboard" size="wide" onClose={() => (helpOpen.value = false)}>
      <div class="help">
        {KEYS.map(({ title, keys }) => (
          <section key={title}>
            <h3 class="help-title">{title}</h3>
            <dl>
              {keys.map(([key, words]) => (
                <div key={key}>
                  <dt>
                    {key.split(" ").filter(Boolean).map((one) => (
                      <kbd key={one}>{one}</kbd>
                    ))}
                  </dt>
                  <dd>{words}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p class="muted help-note">Single keys do nothing while you type in a box.</p>
    </Dialog>
  );
}
