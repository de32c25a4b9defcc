import { CORNERS_MOST, centre, middle } from "./areas.js";

/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Corner} Corner */
/** @typedef {{name: string, text: string, label: string, at: Corner, data: Record<string, string>}} Handle */

const ROOM_PX = 56; // shorter edges have no handle in their middle
const SVG = "http://www.w3.org/2000/svg";

/** Areas over a picture, and the handles by which they are taken: buttons, so that keys reach them. */
export class Drawing {
  #stage;
  #svg = document.createElementNS(SVG, "svg");
  #handles = document.createElement("div");

  /** @param {HTMLElement} stage of the picture's shape */
  constructor(stage) {
    this.#stage = stage;
    this.#svg.setAttribute("viewBox", "0 0 1 1");
    this.#svg.setAttribute("preserveAspectRatio", "none");
    this.#svg.setAttribute("aria-hidden", "true");
    stage.append(this.#svg, this.#handles);
  }

  /**
   * @param {import("./edits.js").Edits} edits
   * @param {Corner[]} draft corners of an area that is not closed yet
   * @param {Area} open its outline so far
   */
  show(edits, draft, open) {
    const areas = edits.areas.map((area, at) => polygon(area, { area: String(at) }, at === edits.area));
    this.#svg.replaceChildren(...areas, ...(open.length ? [polygon(open, {}, true)] : []));
    this.#place([...edits.areas.flatMap((_, at) => this.#ofArea(edits, at)), ...draft.map(asPoint)], edits);
  }

  /** Give the chosen one's handle the focus. @param {import("./edits.js").Edits} edits */
  focus(edits) {
    const name = edits.corner >= 0 ? `[data-corner="${edits.corner}"]` : ":not([data-corner])";
    const wanted = /** @type {HTMLElement | null} */ (
      this.#handles.querySelector(`button[data-area="${edits.area}"]${name}`) ?? this.#stage);
    if (wanted !== document.activeElement) wanted?.focus({ preventScroll: true });
  }

  /**
   * Every area has a handle; the chosen one its corners and its edges, too.
   * @param {import("./edits.js").Edits} edits @param {number} at @returns {Handle[]}
   */
  #ofArea(edits, at) {
    const area = edits.areas[at];
    const mine = { area: String(at) };
    const label = `Area ${at + 1} of ${edits.areas.length}, ${area.length} corners`;
    const whole = { name: "mask-name", text: String(at + 1), label, at: centre(area), data: mine };
    if (at !== edits.area) return [whole];
    const corners = area.map((corner, index) => ({
      name: "mask-corner", text: "", at: corner, data: { ...mine, corner: String(index) },
      label: `Area ${at + 1}, corner ${index + 1} of ${area.length}`,
    }));
    const edges = area.map((_, index) => ({
      name: "mask-edge", text: "", label: "", at: middle(area, index), data: { ...mine, edge: String(index) },
    }));
    return [whole, ...corners, ...edges.filter((_, index) => this.#hasRoom(area, index))];
  }

  /** @param {Area} area @param {number} index */
  #hasRoom(area, index) {
    const [from, to] = [area[index], area[(index + 1) % area.length]];
    const across = (to[0] - from[0]) * this.#stage.clientWidth;
    const down = (to[1] - from[1]) * this.#stage.clientHeight;
    return area.length < CORNERS_MOST && Math.hypot(across, down) >= ROOM_PX;
  }

  /**
   * Handles that are there are used again, so that the one with the focus keeps it.
   * @param {Handle[]} wanted @param {import("./edits.js").Edits} edits
   */
  #place(wanted, edits) {
    const there = new Map(Array.from(this.#handles.children, (one) => [one.getAttribute("data-key"), one]));
    let place = this.#handles.firstElementChild;
    for (const { name, text, label, at, data } of wanted) {
      const key = `${name} ${Object.values(data)}`;
      const handle = /** @type {HTMLElement} */ (there.get(key) ?? document.createElement(label ? "button" : "span"));
      there.delete(key);
      handle.className = name;
      Object.assign(handle.dataset, { key, ...data });
      if (handle instanceof HTMLButtonElement) handle.type = "button";
      if (label) handle.setAttribute("aria-label", label);
      if (handle.textContent !== text) handle.textContent = text;
      const [area, corner] = [Number(data.area), Number(data.corner ?? -1)];
      handle.toggleAttribute("data-chosen", area === edits.area && corner === edits.corner);
      handle.style.left = `${at[0] * 100}%`; // as in the picture, whatever the language's direction
      handle.style.top = `${at[1] * 100}%`;
      if (place === handle) place = handle.nextElementSibling;
      else this.#handles.insertBefore(handle, place);
    }
    for (const gone of there.values()) gone.remove();
  }
}

/** @param {Corner} at @param {number} index @returns {Handle} */
function asPoint(at, index) {
  return { name: "mask-point", text: "", label: "", at, data: { point: String(index) } };
}

/** @param {Area} area @param {Record<string, string>} data @param {boolean} chosen */
function polygon(area, data, chosen) {
  const made = document.createElementNS(SVG, "polygon");
  made.setAttribute("points", area.map(([x, y]) => `${x},${y}`).join(" "));
  Object.assign(made.dataset, data);
  made.toggleAttribute("data-chosen", chosen);
  return made;
}

/** Which area, corner or edge an element stands for; -1 for none. @param {EventTarget | null} element */
export function placeOf(element) {
  const data = /** @type {HTMLElement | SVGElement} */ (element).dataset ?? {};
  const number = (/** @type {string | undefined} */ text) => (text === undefined ? -1 : Number(text));
  return { area: number(data.area), corner: number(data.corner), edge: number(data.edge) };
}
