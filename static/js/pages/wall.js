import { watchRoster } from "../live/roster.js";
import { tileQuery } from "../live/variant.js";
import { CameraViewer } from "../live/viewer.js";

/** Every tile shows its camera while it is in or near the window; what nobody sees is not sent. */
const viewers = new Map(
  [...document.querySelectorAll("[data-camera]")].map((tile) => [
    tile,
    new CameraViewer(/** @type {HTMLElement} */ (tile)),
  ]),
);
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      const viewer = viewers.get(target);
      if (isIntersecting) viewer?.start();
      else viewer?.stop();
    }
  },
  { rootMargin: "50% 0px" },
);
const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const { width } = contentRect;
    if (width) viewers.get(target)?.ask(tileQuery(width, viewers.size));
  }
});
for (const tile of viewers.keys()) {
  sizes.observe(tile); // before it is started, so that it starts with the right one
  near.observe(tile);
}

const ids = [...viewers.keys()].map((tile) => /** @type {HTMLElement} */ (tile).dataset.camera ?? "");
watchRoster(/** @type {HTMLElement} */ (document.querySelector("[data-roster]")), new Set(ids));
