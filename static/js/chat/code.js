const SAID_MS = 2000;

/**
 * Buttons with `data-copy-code` copy the code of their figure, now and in what will be shown later.
 * On plain HTTP a browser has no clipboard for pages: then the code is selected.
 * @param {Element} root
 */
export function codeButtons(root) {
  root.addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-copy-code]");
    const code = button?.closest("figure")?.querySelector("pre");
    if (!button || !code) return;
    const done = await navigator.clipboard?.writeText(code.textContent ?? "").then(
      () => true,
      () => false,
    );
    if (!done) getSelection()?.selectAllChildren(code);
    button.textContent = done ? "Copied" : "Selected: press Ctrl C or ⌘ C";
    setTimeout(() => (button.textContent = "Copy"), SAID_MS);
  });
}
