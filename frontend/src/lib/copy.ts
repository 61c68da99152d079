/** Put a text on the clipboard; also where the page is not served safely, and browsers hide their clipboard. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.setAttribute("readonly", "");
    field.className = "sr";
    const focused = document.activeElement as HTMLElement | null;
    // Inside an open dialog everything else is inert: it has to be put in there.
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    try {
      return document.execCommand("copy");
    } catch {
      return false;
    } finally {
      field.remove();
      focused?.focus();
    }
  }
}
