/**
 * The button that gives an element the whole screen, and takes it back.
 * @param {HTMLButtonElement} button hidden until it is known that the browser can
 * @param {HTMLElement} element
 */
export function fullScreenButton(button, element) {
  if (!document.fullscreenEnabled) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    if (document.fullscreenElement) document.exitFullscreen();
    else element.requestFullscreen().catch((error) => console.error("Full screen failed", error));
  });
  document.addEventListener("fullscreenchange", () => {
    button.setAttribute("aria-pressed", String(document.fullscreenElement === element));
  });
}
