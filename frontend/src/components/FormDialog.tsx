/** A dialog that is a form: what it asks for, a way out, and a button that does it. */

import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

import { Button } from "../ui";
import { Dialog } from "./Dialog";

interface Props {
  title: string;
  /** The words of the button that does it. */
  verb: string;
  /** Whether it can be done with what is filled in. */
  ready: boolean;
  danger?: boolean;
  /** The words of the way out. */
  cancel?: string;
  /** Further buttons, before the other two. */
  more?: ComponentChildren;
  onSave: () => void;
  onClose: () => void;
  children: ComponentChildren;
}

export function FormDialog({ title, verb, ready, danger, cancel = "Cancel", more, onSave, onClose, children }: Props): JSX.Element {
  const form = useId();
  return (
    <Dialog
      title={title}
      onClose={onClose}
      footer={
        <>
          {more}
          <Button onClick={onClose}>{cancel}</Button>
          <button class="button" data-kind={danger ? "danger" : "primary"} type="submit" form={form} disabled={!ready}>
            {verb}
          </button>
        </>
      }
    >
      <form
        id={form}
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (ready) onSave();
        }}
      >
        {children}
      </form>
    </Dialog>
  );
}
