/**
 * A toggle button for full screen.
 * @param {HTMLButtonElement} button stays hidden if the browser has no full screen
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
