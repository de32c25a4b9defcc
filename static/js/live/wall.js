import { CameraStates, countedState } from "./states.js";
import { tileQuery } from "./variant.js";
import { CameraViewer } from "./viewer.js";

/**
 * Stream every tile's camera while the tile is in or near the window, in the size that it needs.
 * Dispatches "state" when the known state of a camera has changed, and "signedout".
 */
export class Wall extends EventTarget {
  states = new CameraStates();
  /** @type {Map<string, CameraViewer>} */
  #viewers = new Map();
  /** Cameras whose tiles receive pictures or a state themselves. @type {Set<string>} */
  #watched = new Set();

  /** @param {HTMLElement[]} tiles */
  constructor(tiles) {
    super();
    for (const tile of tiles) this.#add(tile);
    const visibility = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) this.#watch(cameraOf(target), isIntersecting);
      },
      { rootMargin: "50% 0px" },
    );
    const sizes = new ResizeObserver((entries) => {
      for (const { target, contentRect } of entries) {
        const { width } = contentRect;
        if (width) this.#viewers.get(cameraOf(target))?.setVariant(tileQuery(width, this.#viewers.size));
      }
    });
    for (const tile of tiles) {
      sizes.observe(tile); // before the viewer starts, so that it starts with the right variant
      visibility.observe(tile);
    }
  }

  /** Whether all states are known from the pictures, and none from the API. */
  get isWatched() {
    return this.#watched.size === this.#viewers.size;
  }

  /**
   * Take the states of the cameras that no tile watches from the API's list.
   * @param {{id: string, state: {state: string, reason: string}}[]} cameras
   */
  setReported(cameras) {
    for (const { id, state } of cameras) {
      if (this.#viewers.has(id) && !this.#watched.has(id)) this.#report(id, countedState(state));
    }
  }

  /** @param {HTMLElement} tile */
  #add(tile) {
    const camera = cameraOf(tile);
    const viewer = new CameraViewer(tile);
    viewer.picture.labels = false;
    this.states.report(camera, countedState({ state: tile.dataset.state ?? "", reason: tile.dataset.reason }), 0);
    viewer.addEventListener("view", (event) => {
      const { state } = /** @type {CustomEvent} */ (event).detail;
      // A tile that has just come into view connects; that says nothing about its camera.
      if (state === "connecting") return this.#watched.delete(camera);
      this.#watched.add(camera);
      this.#report(camera, countedState({ state }));
    });
    viewer.addEventListener("ended", (event) => {
      if (/** @type {CustomEvent} */ (event).detail.code !== 4401) return;
      event.preventDefault();
      this.dispatchEvent(new Event("signedout"));
    });
    this.#viewers.set(camera, viewer);
  }

  /** @param {string} camera @param {boolean} isVisible */
  #watch(camera, isVisible) {
    if (isVisible) return this.#viewers.get(camera)?.start();
    this.#viewers.get(camera)?.stop();
    this.#watched.delete(camera);
  }

  /** @param {string} camera @param {string} state */
  #report(camera, state) {
    if (this.states.report(camera, state, performance.now())) this.dispatchEvent(new Event("state"));
  }
}

/** @param {Element} tile */
function cameraOf(tile) {
  return /** @type {HTMLElement} */ (tile).dataset.camera ?? "";
}
