import { WORDS } from "./states.js";

/**
 * The line "5 live, 3 offline", whose parts are buttons: pressed, only the cameras in that state are
 * shown. The choice is kept in the address, as `?show=`.
 */
export class StateFilter {
  #buttons;
  #list;
  #none;
  #states;
  #shown;

  /**
   * @param {HTMLElement} list of tiles, with `data-shown`: the chosen state or ""
   * @param {HTMLElement} bar with a button `data-show` for each state
   * @param {HTMLElement} none the line for an empty result
   * @param {import("./states.js").CameraStates} states
   */
  constructor(list, bar, none, states) {
    this.#list = list;
    this.#none = none;
    this.#states = states;
    this.#shown = list.dataset.shown ?? "";
    this.#buttons = /** @type {HTMLButtonElement[]} */ ([...bar.querySelectorAll("[data-show]")]);
    for (const button of this.#buttons) button.addEventListener("click", () => this.#choose(button));
  }

  /** @param {HTMLButtonElement} button */
  #choose(button) {
    const state = button.dataset.show ?? "";
    this.#shown = this.#shown === state ? "" : state;
    const url = new URL(location.href);
    if (this.#shown) url.searchParams.set("show", this.#shown);
    else url.searchParams.delete("show");
    history.replaceState(null, "", url);
    this.update(performance.now());
  }

  /** Show the counts, and the tiles that belong to the choice. @param {number} now */
  update(now) {
    const counts = this.#states.counts();
    for (const button of this.#buttons) {
      const state = button.dataset.show ?? "";
      const text = `${counts.get(state)} ${WORDS[state]}`;
      const label = button.querySelector("[data-words]");
      if (label && label.textContent !== text) label.textContent = text;
      button.setAttribute("aria-pressed", String(state === this.#shown));
      button.hidden = !counts.get(state) && state !== this.#shown;
    }
    let visible = 0;
    for (const item of /** @type {HTMLElement[]} */ ([...this.#list.children])) {
      const isHidden = Boolean(this.#shown) && this.#states.settled(item.dataset.tile ?? "", now) !== this.#shown;
      if (item.hidden !== isHidden) item.hidden = isHidden;
      if (!isHidden) visible += 1;
    }
    const sentence = visible ? "" : `No camera is ${WORDS[this.#shown]} now.`;
    if (this.#none.textContent !== sentence) this.#none.textContent = sentence;
  }
}
