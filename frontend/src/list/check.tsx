/** A box to select with; with Shift, all up to here. */

import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  label: string;
  on: boolean;
  /** Neither on nor off. */
  some?: boolean;
  onChange: (on: boolean, range: boolean) => void;
}

export function Check({ label, on, some, onChange }: Props): JSX.Element {
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current) box.current.indeterminate = Boolean(some);
  }, [some]);
  return (
    <label class="check">
      <input ref={box} type="checkbox" aria-label={label} checked={on} onClick={(event) => onChange(event.currentTarget.checked, event.shiftKey)} />
    </label>
  );
}
