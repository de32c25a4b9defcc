/**
 * A "Test" button: POSTs the values of a form before they are saved, and shows the result.
 * @param {HTMLButtonElement} button with `data-test`, the URL that answers `{ok, sentence}`
 * @param {HTMLOutputElement} output
 * @param {{busy: string, body: () => BodyInit, headers?: Record<string, string>}} options `busy` is
 *   shown while the test runs
 * @returns {() => void} clears the result, after an input has changed
 */
export function testButton(button, output, { busy, body, headers = {} }) {
  const show = (/** @type {string} */ sentence, /** @type {"" | "busy" | "ok" | "failed"} */ state) => {
    output.textContent = sentence;
    output.dataset.state = state;
  };
  button.addEventListener("click", async () => {
    button.disabled = true;
    show(busy, "busy");
    try {
      const response = await fetch(button.dataset.test ?? "", { method: "POST", body: body(), headers });
      if (!response.ok || response.redirected) throw new Error(`The server answered ${response.status}.`);
      const { ok, sentence } = await response.json();
      show(sentence, ok ? "ok" : "failed");
    } catch (error) {
      console.error("The test could not be run", error);
      show("The test could not be run. Reload the page and try again.", "failed");
    } finally {
      button.disabled = false;
    }
  });
  button.disabled = false; // disabled in the markup: a click before this script ran would be lost
  return () => show("", "");
}
