/** The page with all cameras. */

import { watchRoster } from "../live/roster.js";
import { showTiles } from "../live/wall.js";

const tiles = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-camera]")]);

showTiles(tiles);
watchRoster(
  /** @type {HTMLElement} */ (document.querySelector("[data-roster]")),
  new Set(tiles.map((tile) => tile.dataset.camera ?? "")),
);
