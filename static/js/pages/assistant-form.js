/** The settings' “Test”: asks the model that the form names, before anything is saved. */
const button = /** @type {HTMLButtonElement} */ (document.querySelector("[data-test]"));
const output = /** @type {HTMLOutputElement} */ (document.querySelector("[data-test-answer]"));
const form = /** @type {HTMLFormElement} */ (button.form);

/** @param {string} sentence @param {"" | "busy" | "ok" | "failed"} state */
function say(sentence, state) {
  output.textContent = sentence;
  output.dataset.state = state;
}

async function test() {
  button.disabled = true;
  say("Asking the model for a word, at most 20 s", "busy");
  try {
    const answer = await fetch(button.dataset.test ?? "", { method: "POST", body: new FormData(form) });
    if (!answer.ok || answer.redirected) throw new Error(`The server answered ${answer.status}.`);
    const { ok, sentence } = await answer.json();
    say(sentence, ok ? "ok" : "failed");
  } catch (error) {
    console.error("The model could not be tested", error);
    say("The test could not be run. Reload the page and try again.", "failed");
  } finally {
    button.disabled = false;
  }
}

// What was tested is not what stands there any more.
form.addEventListener("input", () => say("", ""));
button.addEventListener("click", test);
button.disabled = false; // until now a click would have been lost
