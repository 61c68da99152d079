/** Nothing to show: what would be here, why it may not be, and what can be done. */

import type { ComponentChildren } from "preact";

export function Empty({ title, children, action }: { title: string; children?: ComponentChildren; action?: ComponentChildren }) {
  return (
    <div class="empty">
      <svg class="empty-art" viewBox="0 0 72 48" width="72" height="48" aria-hidden="true">
        <path d="M14 30h34l6-14h8" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" />
        <path d="M12 14h34v12H12z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round" stroke-dasharray="3 4" />
        <circle cx="20" cy="37" r="5" fill="none" stroke="currentColor" stroke-width="2" />
        <circle cx="40" cy="37" r="5" fill="none" stroke="currentColor" stroke-width="2" />
      </svg>
      <p class="empty-title">{title}</p>
      {children ? <div class="empty-text">{children}</div> : null}
      {action ? <div class="empty-action">{action}</div> : null}
    </div>
  );
}
