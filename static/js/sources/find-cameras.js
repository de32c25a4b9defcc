/** The dialog that searches for ONVIF cameras, asks one for its streams, and returns the chosen. */

import { errorDetail } from "../shell/requests.js";

/**
 * @typedef {{address: string, host: string, name: string, hardware: string, known: string}} Camera
 * @typedef {{kind: string, address: string, name: string, codec: string, width: number,
 *   height: number, fps: number}} Stream
 * @typedef {{stream: Stream, camera: Camera, user: string, password: string}} Choice
 */

const FAILED = "The search could not be run. Reload the page and try again.";

/**
 * What a stream is, in a line.
 * @param {Stream} stream
 * @returns {string}
 */
export function describe({ codec, width, height, fps }) {
  const size = width && height ? `${width}×${height}` : "";
  return [codec, size, fps ? `${fps} fps` : ""].filter(Boolean).join(", ");
}

export class FindCameras {
  #dialog;
  #headers;
  #organization;
  #choose;
  /** @type {AbortController | null} */
  #running = null;
  /** @type {Camera | null} */
  #camera = null;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {{headers: Record<string, string>, organization: () => string,
   *   choose: (choice: Choice) => void}} parts
   */
  constructor(dialog, { headers, organization, choose }) {
    this.#dialog = dialog;
    this.#headers = headers;
    this.#organization = organization;
    this.#choose = choose;
    this.#part("again").addEventListener("click", () => this.#search());
    this.#part("back").addEventListener("click", () => this.#search());
    this.#part("close").addEventListener("click", () => dialog.close());
    this.#part("show").addEventListener("click", () => this.#askStreams());
    this.#part("ask").addEventListener("click", () => this.#enterHost());
    this.#onEnter("host", () => this.#enterHost());
    this.#onEnter("user", () => this.#input("password").focus());
    this.#onEnter("password", () => this.#askStreams());
    dialog.addEventListener("close", () => this.#stop());
  }

  open() {
    this.#dialog.showModal();
    this.#search();
  }

  /** @param {string} name */
  #part(name) {
    return /** @type {HTMLElement} */ (this.#dialog.querySelector(`[data-find-${name}]`));
  }

  /** @param {string} name */
  #input(name) {
    return /** @type {HTMLInputElement} */ (this.#part(name));
  }

  /**
   * @param {string} name
   * @param {() => void} act
   */
  #onEnter(name, act) {
    this.#part(name).addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // it would submit the camera's form
      act();
    });
  }

  #stop() {
    this.#running?.abort();
    this.#running = null;
    this.#input("password").value = "";
  }

  /** @param {"list" | "camera"} part */
  #turnTo(part) {
    const isList = part === "list";
    this.#part("list").hidden = !isList;
    this.#part("again").hidden = !isList;
    for (const name of ["camera", "show", "back"]) this.#part(name).hidden = isList;
  }

  /**
   * POST, and count the seconds in `line` meanwhile. Null where it was given up or failed.
   * @param {string} url
   * @param {Record<string, string>} values
   * @param {HTMLElement} line
   * @param {string} busy
   */
  async #post(url, values, line, busy) {
    this.#running?.abort();
    const run = (this.#running = new AbortController());
    const began = Date.now();
    const count = () => (line.textContent = `${busy}… ${Math.round((Date.now() - began) / 1000)} s`);
    const timer = setInterval(count, 1000);
    count();
    try {
      const body = new URLSearchParams({ organization: this.#organization(), ...values });
      const response = await fetch(url, { method: "POST", headers: this.#headers, body, signal: run.signal });
      line.textContent = "";
      if (response.ok && !response.redirected) return await response.json();
      line.textContent = response.redirected ? FAILED : await errorDetail(response);
    } catch (error) {
      if (run.signal.aborted) return null;
      console.error("The search could not be run", error);
      line.textContent = FAILED;
    } finally {
      clearInterval(timer);
    }
    return null;
  }

  async #search() {
    this.#stop();
    this.#turnTo("list");
    const list = this.#part("cameras");
    list.replaceChildren();
    const said = this.#part("said");
    const answer = await this.#post(this.#dialog.dataset.discover ?? "", {}, said, "Asking the network, about 3 s");
    if (!answer) return;
    const cameras = /** @type {Camera[]} */ (answer.cameras);
    said.textContent = answer.sentence || `${cameras.length} found.`;
    list.replaceChildren(
      ...cameras.map((camera) => {
        const more = [camera.hardware !== camera.name && camera.hardware, camera.host].filter(Boolean).join(", ");
        const note = camera.known && `added already as ${camera.known}`;
        return entry(camera.name || camera.hardware || camera.host, more, note, () => this.#pick(camera));
      }),
    );
  }

  #enterHost() {
    const host = this.#input("host").value.trim();
    if (!host) return this.#input("host").focus();
    this.#pick({ address: host, host, name: "", hardware: "", known: "" });
  }

  /** @param {Camera} camera */
  #pick(camera) {
    this.#stop();
    this.#camera = camera;
    this.#turnTo("camera");
    const name = camera.name || camera.hardware;
    this.#part("name").textContent = name || camera.host;
    this.#part("address").textContent = name ? camera.host : "";
    this.#part("answer").textContent = "";
    this.#part("streams").replaceChildren();
    this.#input("user").focus();
  }

  async #askStreams() {
    const camera = this.#camera;
    if (!camera) return;
    const user = this.#input("user").value;
    const password = this.#input("password").value;
    const list = this.#part("streams");
    list.replaceChildren();
    const said = this.#part("answer");
    const values = { address: camera.address, user, password };
    const answer = await this.#post(this.#dialog.dataset.streams ?? "", values, said, "Asking the camera, at most 10 s");
    if (!answer) return;
    said.textContent = answer.sentence || "Choose a stream: the first is the finest, a smaller one costs less.";
    const streams = /** @type {Stream[]} */ (answer.streams);
    list.replaceChildren(
      ...streams.map((stream) =>
        entry(stream.name, describe(stream), "", () => {
          this.#choose({ stream, camera, user, password });
          this.#dialog.close();
        }),
      ),
    );
    /** @type {HTMLElement | null} */ (list.querySelector("button"))?.focus();
  }
}

/**
 * A button in a list: a name, and quietly what it is.
 * @param {string} name
 * @param {string} more
 * @param {string} note
 * @param {() => void} act
 */
function entry(name, more, note, act) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button find-entry";
  for (const [tag, text] of [["strong", name], ["span", more], ["span", note]]) {
    if (!text) continue;
    const part = document.createElement(tag);
    part.textContent = text;
    if (tag === "span") part.className = "quiet";
    button.append(part);
  }
  button.addEventListener("click", act);
  item.append(button);
  return item;
}
