import { csrfToken } from "../shell/csrf.js";

const form = /** @type {HTMLFormElement} */ (document.querySelector("form[data-camera-form]"));
const kind = /** @type {HTMLSelectElement} */ (form.elements.namedItem("kind"));
const source = /** @type {HTMLInputElement} */ (form.elements.namedItem("source"));
const button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-test]"));
const output = /** @type {HTMLOutputElement} */ (form.querySelector("[data-test-answer]"));

/** Show the help of the chosen kind only, and the source only where the kind has one. */
function showKind() {
  for (const help of /** @type {NodeListOf<HTMLElement>} */ (form.querySelectorAll("[data-kind]"))) {
    help.hidden = help.dataset.kind !== kind.value;
  }
  const without = ["push", "demo"].includes(kind.value);
  const row = /** @type {HTMLElement} */ (form.querySelector("[data-source-row]"));
  // An error on the source stays in sight, whatever the kind.
  row.hidden = without && !row.querySelector(".errors");
  button.hidden = without;
  say("", "");
}

/** @param {string} sentence @param {"" | "busy" | "ok" | "failed"} state */
function say(sentence, state) {
  output.textContent = sentence;
  output.dataset.state = state;
}

async function test() {
  button.disabled = true;
  say("Testing, at most 5 s", "busy");
  const body = new URLSearchParams({ kind: kind.value, source: source.value, camera: form.dataset.cameraForm ?? "" });
  const headers = { "X-CSRFToken": csrfToken() };
  try {
    const answer = await fetch(button.dataset.test ?? "", { method: "POST", body, headers });
    if (!answer.ok || answer.redirected) throw new Error(`The server answered ${answer.status}.`);
    const { ok, sentence } = await answer.json();
    say(sentence, ok ? "ok" : "failed");
  } catch (error) {
    console.error("The connection could not be tested", error);
    say("The test could not be run. Reload the page and try again.", "failed");
  } finally {
    button.disabled = false;
  }
}

kind.addEventListener("change", showKind);
source.addEventListener("input", () => say("", ""));
button.addEventListener("click", test);
showKind();
