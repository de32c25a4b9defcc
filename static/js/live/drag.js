import { step } from "./arrangement.js";

const THRESHOLD = 8; // pixels: less is a click
const EDGE = 64; // pixels from the window's edge where the page scrolls along
const SCROLL_STEP = 12;
const KEYS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

/**
 * Move tiles: with the mouse anywhere on a tile, with a finger on its handle, with Alt and the arrow
 * keys on a tile, and with the arrow keys on its handle. Handles are shown while `data-arranging` is set.
 * @param {HTMLElement} list of tiles, see tile-order.js
 * @param {import("./tile-order.js").TileOrder} order
 * @param {(sentence: string) => void} say for people who do not see the tiles
 */
export function movableTiles(list, order, say) {
  list.addEventListener("pointerdown", (event) => {
    const item = itemAt(list, event.target);
    const isHandle = Boolean(/** @type {Element} */ (event.target).closest("[data-move]"));
    if (!item || event.button !== 0 || !event.isPrimary) return;
    if (isHandle || event.pointerType === "mouse") drag(list, item, event, order, say);
  });
  list.addEventListener("keydown", (event) => {
    const item = itemAt(list, event.target);
    const isHandle = Boolean(/** @type {Element} */ (event.target).closest("[data-move]"));
    const isOther = event.ctrlKey || event.metaKey || event.shiftKey || !KEYS.includes(event.key);
    if (!item || isOther || (!event.altKey && !isHandle)) return;
    event.preventDefault(); // Alt and an arrow also leave the page
    const camera = item.dataset.tile ?? "";
    const to = step(order.shown, camera, event.key, Number(list.dataset.columns) || 1);
    if (to && order.move(camera, to.target, to.side)) {
      order.save();
      item.scrollIntoView({ block: "nearest" });
    }
    say(place(item, order));
  });
  // A tile is a link and has an image; the browser's own dragging of both would end ours.
  list.addEventListener("dragstart", (event) => event.preventDefault());
  list.addEventListener("click", (event) => {
    if ("arranging" in list.dataset) event.preventDefault();
  });
}

/**
 * @param {HTMLElement} list
 * @param {HTMLElement} item the tile that is moved
 * @param {PointerEvent} down
 * @param {import("./tile-order.js").TileOrder} order
 * @param {(sentence: string) => void} say
 */
function drag(list, item, down, order, say) {
  const camera = item.dataset.tile ?? "";
  const listening = new AbortController();
  const { signal } = listening;
  const before = order.layout;
  let isDragging = false;
  let hasMoved = false;
  let y = down.clientY;
  const scroller = setInterval(() => {
    if (!isDragging) return;
    if (y < EDGE) scrollBy(0, -SCROLL_STEP);
    else if (y > innerHeight - EDGE) scrollBy(0, SCROLL_STEP);
  }, 16);
  const end = (/** @type {boolean} */ isKept) => {
    listening.abort();
    clearInterval(scroller);
    if (!isDragging) return;
    delete item.dataset.dragged;
    delete list.dataset.dragging;
    suppressClick(list);
    if (!isKept) return order.restore(before);
    if (hasMoved) order.save();
    say(place(item, order));
  };
  const move = (/** @type {PointerEvent} */ event) => {
    if (event.pointerId !== down.pointerId) return;
    y = event.clientY;
    const distance = Math.hypot(event.clientX - down.clientX, y - down.clientY);
    if (!isDragging && distance < THRESHOLD) return;
    isDragging = true;
    item.dataset.dragged = "";
    list.dataset.dragging = "";
    const over = itemAt(list, document.elementFromPoint(event.clientX, y));
    if (!over || over === item) return;
    const isAfter = item.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING;
    hasMoved = order.move(camera, over.dataset.tile ?? "", isAfter ? "after" : "before") || hasMoved;
  };
  document.addEventListener("pointermove", move, { signal });
  document.addEventListener("pointerup", (event) => event.pointerId === down.pointerId && end(true), { signal });
  document.addEventListener("pointercancel", () => end(false), { signal });
  const cancel = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || !isDragging) return;
    event.stopPropagation();
    end(false);
  };
  document.addEventListener("keydown", cancel, { signal, capture: true });
}

/** The click that follows a drag must not open the camera. @param {HTMLElement} list */
function suppressClick(list) {
  const listening = new AbortController();
  const ignore = (/** @type {Event} */ event) => event.preventDefault();
  list.addEventListener("click", ignore, { capture: true, signal: listening.signal });
  setTimeout(() => listening.abort()); // the click comes right after the release, or never
}

/**
 * @param {HTMLElement} list
 * @param {EventTarget | null} target
 * @returns {HTMLElement | null} the tile that it is in
 */
function itemAt(list, target) {
  const item = target instanceof Element ? target.closest("[data-tile]") : null;
  return item && list.contains(item) ? /** @type {HTMLElement} */ (item) : null;
}

/**
 * @param {HTMLElement} item
 * @param {import("./tile-order.js").TileOrder} order
 */
function place(item, order) {
  const { shown } = order;
  return `${item.dataset.name} is ${shown.indexOf(item.dataset.tile ?? "") + 1} of ${shown.length}.`;
}
