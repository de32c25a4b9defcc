/**
 * Replace a chat's name by a text field: Enter saves, Escape and leaving the field do not.
 * @param {HTMLElement} name
 * @param {string} title
 * @param {number} maxLength characters
 * @param {(title: string) => Promise<boolean>} save
 */
export function renameInPlace(name, title, maxLength, save) {
  const form = document.createElement("form");
  const field = document.createElement("input");
  form.className = "rename";
  field.type = "text";
  field.maxLength = maxLength;
  field.value = title;
  field.setAttribute("aria-label", "Name of the chat");
  form.append(field);
  const replaced = name.closest("a") ?? name;
  let isClosed = false;
  const close = () => {
    if (isClosed) return;
    isClosed = true;
    const hasFocus = form.contains(document.activeElement);
    const button = hasFocus ? form.parentElement?.querySelector("[data-menu]") : null;
    form.replaceWith(replaced);
    /** @type {HTMLElement | null | undefined} */ (button)?.focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const newTitle = field.value.trim();
    if (newTitle && newTitle !== title && (await save(newTitle))) name.textContent = newTitle;
    close();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  field.addEventListener("blur", close);
  replaced.replaceWith(form);
  field.focus();
  field.select();
}
