/** The page with all cameras. */

import { movableTiles } from "../live/drag.js";
import { watchRoster } from "../live/roster.js";
import { screenMode } from "../live/screen-mode.js";
import { StateFilter } from "../live/state-filter.js";
import { TileOrder } from "../live/tile-order.js";
import { Wall } from "../live/wall.js";

const TICK_MS = 1000;

const find = (/** @type {string} */ selector) => /** @type {any} */ (document.querySelector(selector));
const tiles = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-camera]")]);
const line = /** @type {HTMLElement} */ (find("[data-roster]"));
const cameras = new Set(tiles.map((tile) => tile.dataset.camera ?? ""));

if (tiles.length) showWall();
else watchRoster(line, cameras);

function showWall() {
  const list = /** @type {HTMLElement} */ (find("[data-wall]"));
  const wall = new Wall(tiles);
  const { states } = wall;
  const isLive = (/** @type {string} */ camera) => states.settled(camera, performance.now()) === "live";
  const order = new TileOrder(list, isLive);
  const filter = new StateFilter(list, find("[data-wall-bar]"), find("[data-none]"), states);
  const update = () => filter.update(performance.now());
  update();
  wall.addEventListener("state", update);
  setInterval(() => {
    update(); // a state has settled
    if (order.liveFirst && !("dragging" in list.dataset)) order.show();
  }, TICK_MS);

  movableTiles(list, order, (sentence) => (find("[data-moved]").textContent = sentence));
  if (tiles.length > 1) showToggles(list, order);

  const isScreen = screenMode(find("[data-screen]"), find("[data-leave-screen]"));
  watchRoster(line, cameras, {
    isUrgent: () => !wall.isWatched,
    listed: (listing) => wall.setReported(/** @type {any} */ (listing.results)),
    changed: () => isScreen() && location.reload(), // nobody is there to press “Reload”
  });
  wall.addEventListener("signedout", () => showSignIn(line));
}

/** @param {HTMLElement} list @param {TileOrder} order */
function showToggles(list, order) {
  toggle(find("[data-live-first]"), order.liveFirst, (on) => (order.liveFirst = on));
  const arrange = find("[data-arrange]");
  toggle(arrange, false, (on) => list.toggleAttribute("data-arranging", on));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && "arranging" in list.dataset) arrange.click();
  });
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} on
 * @param {(on: boolean) => void} apply
 */
function toggle(button, on, apply) {
  button.setAttribute("aria-pressed", String(on));
  button.addEventListener("click", () => {
    const next = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(next));
    apply(next);
  });
}

/** The pictures stay, dimmed, with one sentence over them. @param {HTMLElement} line */
function showSignIn(line) {
  if (line.dataset.ended) return;
  line.dataset.ended = "1";
  const link = document.createElement("a");
  const page = find("[data-signin]").dataset.signin;
  const next = encodeURIComponent(location.pathname + location.search);
  Object.assign(link, { href: `${page}?next=${next}`, textContent: "Sign in" });
  line.replaceChildren("You are signed out. ", link);
}
