/**
 * Set `--ratio` of an element to width / height of a camera's picture: from the page, then from frames.
 * @param {HTMLElement} element
 * @param {HTMLElement} stage with `data-width` and `data-height`, if they are known
 * @param {EventTarget} viewer dispatches "frame"
 */
export function followAspectRatio(element, stage, viewer) {
  let current = "";
  const set = (/** @type {number} */ width, /** @type {number} */ height) => {
    const ratio = width && height ? String(width / height) : "";
    if (!ratio || ratio === current) return;
    current = ratio;
    element.style.setProperty("--ratio", ratio);
  };
  set(Number(stage.dataset.width), Number(stage.dataset.height));
  viewer.addEventListener("frame", (event) => {
    const { width, height } = /** @type {CustomEvent} */ (event).detail.header;
    set(width, height);
  });
}
