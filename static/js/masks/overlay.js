import { MAX_CORNERS, centre, edgeMidpoint } from "./areas.js";

/** @typedef {import("./areas.js").Area} Area */
/** @typedef {import("./areas.js").Corner} Corner */
/**
 * @typedef {{className: string, text: string, label: string, at: Corner, data: Record<string, string>}} Handle
 *   with a `label` it is a button, else a mark
 */

const MIN_EDGE_PX = 56; // shorter edges have no handle
const SVG = "http://www.w3.org/2000/svg";

/** Draws areas over a picture, with handles to move them; handles are buttons, for keyboard use. */
export class MaskOverlay {
  #stage;
  #svg = document.createElementNS(SVG, "svg");
  #handles = document.createElement("div");

  /** @param {HTMLElement} stage with the aspect ratio of the picture */
  constructor(stage) {
    this.#stage = stage;
    this.#svg.setAttribute("viewBox", "0 0 1 1");
    this.#svg.setAttribute("preserveAspectRatio", "none");
    this.#svg.setAttribute("aria-hidden", "true");
    stage.append(this.#svg, this.#handles);
  }

  /**
   * @param {import("./model.js").MaskModel} model
   * @param {Corner[]} draft corners of an unfinished area
   * @param {Area} outline of the unfinished area
   */
  render(model, draft, outline) {
    const areas = model.areas.map((area, at) => polygon(area, { area: String(at) }, at === model.areaIndex));
    this.#svg.replaceChildren(...areas, ...(outline.length ? [polygon(outline, {}, true)] : []));
    const handles = model.areas.flatMap((_, at) => this.#handlesOf(model, at));
    this.#renderHandles([...handles, ...draft.map(draftHandle)], model);
  }

  /** Focus the handle of the selection. @param {import("./model.js").MaskModel} model */
  focus(model) {
    const corner = model.cornerIndex >= 0 ? `[data-corner="${model.cornerIndex}"]` : ":not([data-corner])";
    const target = /** @type {HTMLElement | null} */ (
      this.#handles.querySelector(`button[data-area="${model.areaIndex}"]${corner}`) ?? this.#stage);
    if (target !== document.activeElement) target?.focus({ preventScroll: true });
  }

  /**
   * One handle per area; for the selected area, also its corners and edges.
   * @param {import("./model.js").MaskModel} model @param {number} at index of the area @returns {Handle[]}
   */
  #handlesOf(model, at) {
    const area = model.areas[at];
    const data = { area: String(at) };
    const label = `Area ${at + 1} of ${model.areas.length}, ${area.length} corners`;
    const whole = { className: "mask-name", text: String(at + 1), label, at: centre(area), data };
    if (at !== model.areaIndex) return [whole];
    const corners = area.map((corner, index) => ({
      className: "mask-corner", text: "", at: corner, data: { ...data, corner: String(index) },
      label: `Area ${at + 1}, corner ${index + 1} of ${area.length}`,
    }));
    const edges = area.map((_, index) => ({
      className: "mask-edge", text: "", at: edgeMidpoint(area, index), data: { ...data, edge: String(index) },
      label: "",
    }));
    return [whole, ...corners, ...edges.filter((_, index) => this.#hasRoom(area, index))];
  }

  /** @param {Area} area @param {number} index */
  #hasRoom(area, index) {
    const [from, to] = [area[index], area[(index + 1) % area.length]];
    const across = (to[0] - from[0]) * this.#stage.clientWidth;
    const down = (to[1] - from[1]) * this.#stage.clientHeight;
    return area.length < MAX_CORNERS && Math.hypot(across, down) >= MIN_EDGE_PX;
  }

  /**
   * Create, update and remove handles. Existing elements are reused, so that the focus is kept.
   * @param {Handle[]} handles @param {import("./model.js").MaskModel} model
   */
  #renderHandles(handles, model) {
    const existing = new Map(Array.from(this.#handles.children, (child) => [child.getAttribute("data-key"), child]));
    let next = this.#handles.firstElementChild;
    for (const { className, text, label, at, data } of handles) {
      const key = `${className} ${Object.values(data)}`;
      const handle = /** @type {HTMLElement} */ (
        existing.get(key) ?? document.createElement(label ? "button" : "span"));
      existing.delete(key);
      handle.className = className;
      Object.assign(handle.dataset, { key, ...data });
      if (handle instanceof HTMLButtonElement) handle.type = "button";
      if (label) handle.setAttribute("aria-label", label);
      if (handle.textContent !== text) handle.textContent = text;
      const [area, corner] = [Number(data.area), Number(data.corner ?? -1)];
      handle.toggleAttribute("data-chosen", area === model.areaIndex && corner === model.cornerIndex);
      // Physical, not logical properties: a picture is not mirrored in right-to-left languages.
      handle.style.left = `${at[0] * 100}%`;
      handle.style.top = `${at[1] * 100}%`;
      if (next === handle) next = handle.nextElementSibling;
      else this.#handles.insertBefore(handle, next);
    }
    for (const unused of existing.values()) unused.remove();
  }
}

/** @param {Corner} at @param {number} index @returns {Handle} */
function draftHandle(at, index) {
  return { className: "mask-point", text: "", label: "", at, data: { point: String(index) } };
}

/** @param {Area} area @param {Record<string, string>} data @param {boolean} isSelected */
function polygon(area, data, isSelected) {
  const shape = document.createElementNS(SVG, "polygon");
  shape.setAttribute("points", area.map(([x, y]) => `${x},${y}`).join(" "));
  Object.assign(shape.dataset, data);
  shape.toggleAttribute("data-chosen", isSelected);
  return shape;
}

/**
 * The indexes of the area, corner and edge that an element stands for; -1: none.
 * @param {EventTarget | null} element
 */
export function indexesOf(element) {
  const data = /** @type {HTMLElement | SVGElement} */ (element).dataset ?? {};
  const toIndex = (/** @type {string | undefined} */ text) => (text === undefined ? -1 : Number(text));
  return { area: toIndex(data.area), corner: toIndex(data.corner), edge: toIndex(data.edge) };
}
