import { csrfToken } from "../shell/csrf.js";
import { sendParts, TRIES } from "../shell/upload.js";
import { waitBefore } from "../shell/retry.js";

/** An organization's own model: sent in parts, then checked by the server. */

const RELOAD_MS = 3000;

class Upload {
  #form;
  #button;
  #cancel;
  #progress;
  #says;
  /** @type {AbortController | null} */
  #running = null;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#form = form;
    const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (form.querySelector(selector));
    this.#button = /** @type {HTMLButtonElement} */ (part("[type=submit]"));
    this.#cancel = /** @type {HTMLButtonElement} */ (part("[data-cancel]"));
    this.#progress = /** @type {HTMLProgressElement} */ (part("progress"));
    this.#says = /** @type {HTMLOutputElement} */ (part("[data-says]"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run();
    });
    form.addEventListener("change", (event) => {
      this.#showLabels();
      if (event.target instanceof HTMLElement && event.target.id === "id_file") this.#suggestName();
    });
    this.#cancel.addEventListener("click", () => this.#running?.abort());
    addEventListener("beforeunload", (event) => this.#running && event.preventDefault());
    this.#showLabels();
    this.#suggestName(); // of a file that was chosen before this script ran
    this.#button.disabled = false; // until now a click would have been lost
  }

  #suggestName() {
    const name = /** @type {HTMLInputElement} */ (this.#form.elements.namedItem("name"));
    if (!name.value) name.value = this.#file?.name.replace(/\.onnx$/i, "").slice(0, 100) ?? "";
  }

  #showLabels() {
    const source = /** @type {HTMLSelectElement} */ (this.#form.elements.namedItem("source"));
    const row = /** @type {HTMLElement} */ (this.#form.querySelector("[data-field=labels]"));
    row.hidden = source.value !== "list";
  }

  get #file() {
    return /** @type {HTMLInputElement} */ (this.#form.elements.namedItem("file")).files?.[0];
  }

  /** @param {string} sentence @param {"" | "failed"} [state] */
  #say(sentence, state = "") {
    this.#says.textContent = sentence;
    this.#says.dataset.state = state;
    /** @type {HTMLElement} */ (this.#says.parentElement).hidden = false;
  }

  async #run() {
    const file = this.#file;
    if (!file) return this.#say("Choose a file first.", "failed");
    if (file.size > Number(this.#form.dataset.most)) return this.#say("The file is larger than 64 MiB.", "failed");
    this.#running = new AbortController();
    this.#button.disabled = true;
    this.#cancel.hidden = false;
    this.#progress.hidden = false;
    let refusal = "The upload failed. Nothing has changed; reload the page and try again.";
    try {
      refusal = await this.#send(file);
    } catch (error) {
      if (this.#running.signal.aborted) refusal = "Cancelled. Nothing has changed.";
      else console.error("The model could not be uploaded", error);
    } finally {
      this.#running = null;
      this.#button.disabled = false;
      this.#cancel.hidden = true;
    }
    if (!refusal) return location.reload();
    this.#progress.hidden = true;
    this.#say(refusal, "failed");
  }

  /**
   * @param {File} file
   * @returns {Promise<string>} why it is not taken; empty when it is
   */
  async #send(file) {
    this.#say("Uploading");
    const facts = new FormData(this.#form);
    facts.delete("file");
    facts.set("size", String(file.size));
    const address = this.#form.dataset.upload ?? "";
    const begun = await this.#post(address, facts);
    if (begun.status !== 201) return this.#wrong(begun);
    const refusal = await sendParts(file, {
      part: begun.part,
      send: (number, data) => this.#post(`${address}/${begun.id}/parts/${number}`, data),
      told: (share) => {
        this.#progress.value = share;
        this.#say(`Uploading, ${Math.floor(share * 100)} %`);
      },
      wait: (tryNumber) => this.#wait(tryNumber),
    });
    return refusal || this.#check(`${address}/${begun.id}/check`);
  }

  /** @param {string} address */
  async #check(address) {
    this.#cancel.hidden = true;
    this.#progress.removeAttribute("value");
    for (let tries = 1; ; tries++) {
      this.#say("Checking it, at most half a minute");
      const answer = await this.#post(address, new URLSearchParams());
      if (answer.status === 200) return answer.state === "ready" ? "" : `It is refused. ${answer.reason}`;
      if (answer.status !== 503 || tries >= TRIES) return this.#wrong(answer);
      await this.#wait(tries);
    }
  }

  /** @param {number} tryNumber */
  #wait(tryNumber) {
    this.#say(`The server does not take it just now. Try ${tryNumber + 1} of ${TRIES} follows`);
    const cancelled = this.#running?.signal;
    return new Promise((go, giveUp) => {
      if (cancelled?.aborted) return giveUp(cancelled.reason);
      cancelled?.addEventListener("abort", () => giveUp(cancelled.reason));
      setTimeout(go, waitBefore(tryNumber));
    });
  }

  /** @param {any} answer */
  #wrong(answer) {
    const wrong = Object.keys(answer.errors ?? {})[0];
    const field = this.#form.elements.namedItem(wrong ?? "");
    if (field instanceof HTMLElement) field.focus();
    return answer.detail || `The server answered ${answer.status}.`;
  }

  /**
   * @param {string} address @param {BodyInit} body
   * @returns {Promise<any>} the JSON of the answer, and its `status`
   */
  async #post(address, body) {
    const headers = { "X-CSRFToken": csrfToken() };
    const answer = await fetch(address, { method: "POST", body, headers, signal: this.#running?.signal });
    if (answer.redirected) return { status: 401, detail: "You are signed out. Sign in and try again." };
    const facts = await answer.json().catch(() => ({}));
    return { ...facts, status: answer.status };
  }
}

const form = document.querySelector("form[data-upload]");
if (form instanceof HTMLFormElement) new Upload(form);
if (document.querySelector("[data-checking]")) setTimeout(() => location.reload(), RELOAD_MS);
