import { Publisher } from "./publisher.js";
import { Rate } from "../live/rate.js";

const CAMERA_ERRORS = {
  NotAllowedError: "The browser was not allowed to use the camera. Allow it in the address bar, then publish again.",
  NotFoundError: "This device has no camera that the browser can use.",
  NotReadableError: "Another program is using the camera. Close it, then publish again.",
};

/**
 * The button that publishes this browser's camera, with a status line.
 * @param {HTMLButtonElement} button with `data-socket`, `data-detail` and `data-camera`
 * @param {HTMLElement} line
 * @param {HTMLButtonElement | null} [other] does the same, from the picture of a camera that waits; it
 *   stays hidden if the browser gives the page no camera
 */
export function publishButton(button, line, other = null) {
  if (!navigator.mediaDevices?.getUserMedia) {
    line.textContent =
      "This browser gives a page its camera only over https or on localhost. " +
      "Open Sideline by an https address to publish from here.";
    return;
  }
  const label = /** @type {HTMLElement} */ (button.querySelector("[data-label]"));
  const { socket = "", detail = "", camera = "" } = button.dataset;
  const publisher = new Publisher({ path: socket, detail, camera });
  const rate = new Rate();
  const show = (/** @type {string} */ text) => {
    if (line.textContent !== text) line.textContent = text;
    button.setAttribute("aria-pressed", String(publisher.isRunning));
    label.textContent = publisher.isRunning ? "Stop publishing" : "Publish this camera";
  };
  publisher.addEventListener("sent", (event) => {
    const { ok, sentence } = /** @type {CustomEvent} */ (event).detail;
    if (ok) rate.count(performance.now());
    const fps = rate.perSecond(performance.now()).toFixed(0);
    show(ok ? `Publishing ${publisher.size}, ${fps} fps` : sentence);
  });
  publisher.addEventListener("stopped", (event) => show(/** @type {CustomEvent} */ (event).detail));
  button.addEventListener("click", async () => {
    if (publisher.isRunning) return publisher.stop();
    button.disabled = true;
    show("Waiting for the camera");
    try {
      await publisher.start();
    } catch (error) {
      publisher.stop(CAMERA_ERRORS[/** @type {Error} */ (error).name] ?? "The camera could not be opened.");
    } finally {
      button.disabled = false;
    }
  });
  addEventListener("pagehide", () => publisher.isRunning && publisher.stop());
  other?.addEventListener("click", () => !publisher.isRunning && button.click());
  if (other) other.hidden = false;
  button.disabled = false;
}
