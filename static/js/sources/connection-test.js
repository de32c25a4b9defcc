/** "Test connection": runs it, counts the seconds, can be cancelled, shows the first picture. */

const TICK_MS = 1000;

/**
 * @param {HTMLButtonElement} button with `data-test`, the URL that answers `{ok, sentence, picture}`;
 *   cancels while a test runs
 * @param {{output: HTMLOutputElement, picture: HTMLElement, body: () => BodyInit,
 *   headers: Record<string, string>}} parts `picture` gets the image, if there is one
 * @returns {() => void} cancels a test and clears its result, after an input has changed
 */
export function connectionTest(button, { output, picture, body, headers }) {
  const label = button.textContent;
  /** @type {AbortController | null} */
  let running = null;

  const show = (/** @type {string} */ sentence, /** @type {"" | "busy" | "ok" | "failed"} */ state, jpeg = "") => {
    output.textContent = sentence;
    output.dataset.state = state;
    picture.replaceChildren();
    if (!jpeg) return;
    const image = document.createElement("img");
    image.className = "test-picture";
    image.alt = "First picture of the camera";
    image.src = `data:image/jpeg;base64,${jpeg}`;
    picture.append(image);
  };
  const cancel = (/** @type {string} */ sentence) => {
    running?.abort();
    running = null;
    show(sentence, "");
  };

  async function run() {
    const test = (running = new AbortController());
    const began = Date.now();
    const count = () => show(`Connecting… ${Math.round((Date.now() - began) / 1000)} s, at most 10 s`, "busy");
    const timer = setInterval(count, TICK_MS);
    count();
    button.textContent = "Cancel";
    try {
      const options = { method: "POST", body: body(), headers, signal: test.signal };
      const response = await fetch(button.dataset.test ?? "", options);
      if (!response.ok || response.redirected) throw new Error(`The server answered ${response.status}.`);
      const { ok, sentence, picture: jpeg } = await response.json();
      if (running === test) show(sentence, ok ? "ok" : "failed", jpeg);
    } catch (error) {
      if (test.signal.aborted) return;
      console.error("The test could not be run", error);
      show("The test could not be run. Reload the page and try again.", "failed");
    } finally {
      clearInterval(timer);
      if (running === test || !running) button.textContent = label;
      if (running === test) running = null;
    }
  }

  button.addEventListener("click", () => {
    if (running) cancel("Cancelled.");
    else run();
  });
  button.disabled = false; // disabled in the markup: a click before this script ran would be lost
  return () => cancel("");
}
