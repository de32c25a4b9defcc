/**
 * Buttons with `data-copy="id"` copy the text of that field. On plain HTTP a browser has no
 * clipboard for pages: then the text is selected, and the button says what to press.
 */
export function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const field = /** @type {HTMLInputElement} */ (
      document.getElementById(/** @type {HTMLElement} */ (button).dataset.copy ?? "")
    );
    button.removeAttribute("hidden");
    button.addEventListener("click", async () => {
      field.focus();
      field.select();
      const done = await navigator.clipboard?.writeText(field.value).then(
        () => true,
        () => false,
      );
      button.textContent = done ? "Copied" : "Selected: press Ctrl C or ⌘ C";
    });
  }
}
