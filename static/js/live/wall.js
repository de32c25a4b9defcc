import { tileQuery } from "./variant.js";
import { CameraViewer } from "./viewer.js";

/**
 * Stream every tile's camera while the tile is in or near the window, in the size that it needs.
 * @param {HTMLElement[]} tiles
 */
export function showTiles(tiles) {
  const viewers = new Map(tiles.map((tile) => [/** @type {Element} */ (tile), new CameraViewer(tile)]));
  const visibility = new IntersectionObserver(
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
      if (width) viewers.get(target)?.setVariant(tileQuery(width, viewers.size));
    }
  });
  for (const tile of tiles) {
    sizes.observe(tile); // before the viewer starts, so that it starts with the right variant
    visibility.observe(tile);
  }
}
