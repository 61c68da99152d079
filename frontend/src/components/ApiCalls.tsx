/** What can be done here, as calls of the API for a shell. */

import type { JSX } from "preact";

import { Button, Copy } from "../ui";
import { Dialog } from "./Dialog";

export interface Call {
  /** What it does. */
  word: string;
  text: string;
}

export function ApiCalls({ calls, onClose }: { calls: readonly Call[]; onClose: () => void }): JSX.Element {
  return (
    <Dialog title="As calls of the API" size="wide" onClose={onClose} footer={<Button onClick={onClose}>Close</Button>}>
      <p class="muted">Add how you log in, such as -u name or a header, if the dashboard asks for it.</p>
      <ul class="calls">
        {calls.map((call) => (
          <li key={call.word}>
            <div class="calls-head">
              <h3>{call.word}</h3>
              <Copy text={call.text} label={`Copy: ${call.word}`} />
            </div>
            <pre class="calls-text" tabIndex={0} role="region" aria-label={call.word}>
              {call.text}
            </pre>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
