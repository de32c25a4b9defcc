import { largestGrid } from "./columns.js";

const TOLERANCE = 0.5; // pixels: heights are fractions, and one row too high would make the page scroll

/**
 * Choose the columns of the wall so that its tiles are as large as the window allows: now, and after
 * every change of the window, of the bar above the tiles and of the tiles that are shown.
 * @param {HTMLElement} list whose children are the tiles
 * @param {HTMLElement | null} bar above them
 */
export function fillWindow(list, bar) {
  const page = /** @type {HTMLElement} */ (list.parentElement);
  const fill = () => {
    const count = [...list.children].filter((child) => !(/** @type {HTMLElement} */ (child).hidden)).length;
    const { width, height, gap } = availableArea(page, list);
    const { columns, tile } = largestGrid(count, width, height - TOLERANCE, { gap });
    list.style.setProperty("--columns", String(columns));
    list.style.setProperty("--wall-width", `${columns * tile + gap * (columns - 1)}px`);
    list.dataset.columns = String(columns);
  };
  fill();
  addEventListener("resize", fill);
  // One frame later: the size of the bar does not depend on that of the tiles.
  if (bar) new ResizeObserver(() => requestAnimationFrame(fill)).observe(bar);
  new MutationObserver(fill).observe(list, { subtree: true, attributeFilter: ["hidden"] });
  new MutationObserver(fill).observe(document.body, { attributeFilter: ["class"] });
}

/**
 * The width and height that the tiles can have without a scroll bar.
 * @param {HTMLElement} page
 * @param {HTMLElement} list
 */
function availableArea(page, list) {
  const style = getComputedStyle(page);
  const pixels = (/** @type {string} */ text) => Number.parseFloat(text) || 0;
  const below = pixels(style.paddingBottom) + pixels(getComputedStyle(document.body).paddingBottom);
  const top = list.getBoundingClientRect().top + scrollY;
  return {
    width: page.clientWidth - pixels(style.paddingLeft) - pixels(style.paddingRight),
    height: document.documentElement.clientHeight - top - below,
    gap: pixels(getComputedStyle(list).columnGap),
  };
}
