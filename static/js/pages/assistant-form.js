/** The assistant's settings, on its page and in the admin. */

import { testButton } from "../shell/test-button.js";

const button = /** @type {HTMLButtonElement} */ (document.querySelector("[data-test]"));
const output = /** @type {HTMLOutputElement} */ (document.querySelector("[data-test-answer]"));
const form = /** @type {HTMLFormElement} */ (button.form);

const clearResult = testButton(button, output, {
  busy: "Asking the model for one word, at most 20 s",
  body: () => new FormData(form),
});
form.addEventListener("input", clearResult);
