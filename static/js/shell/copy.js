const FEEDBACK_MS = 2000;
const SELECTED = "Selected: press Ctrl C or ⌘ C";

/**
 * Copy a text to the clipboard.
 * @param {string} text
 * @returns {Promise<boolean>} false if it failed; on plain HTTP, pages have no clipboard
 */
export async function copyText(text) {
  const copied = await navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  );
  return copied ?? false;
}

/** Buttons with `data-copy="id"` copy the value of that field, or else select it. */
export function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const field = /** @type {HTMLInputElement} */ (
      document.getElementById(/** @type {HTMLElement} */ (button).dataset.copy ?? "")
    );
    button.removeAttribute("hidden");
    button.addEventListener("click", async () => {
      field.focus();
      field.select();
      button.textContent = (await copyText(field.value)) ? "Copied" : SELECTED;
    });
  }
}

/**
 * Buttons with `data-copy-code` copy the code of their figure, or else select it. Also works for
 * figures that are added later.
 * @param {Element} root
 */
export function copyCodeButtons(root) {
  root.addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-copy-code]");
    const code = button?.closest("figure")?.querySelector("pre");
    if (!button || !code) return;
    const copied = await copyText(code.textContent ?? "");
    if (!copied) getSelection()?.selectAllChildren(code);
    button.textContent = copied ? "Copied" : SELECTED;
    setTimeout(() => (button.textContent = "Copy"), FEEDBACK_MS);
  });
}
