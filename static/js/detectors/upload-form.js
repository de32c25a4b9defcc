import { csrfToken } from "../shell/requests.js";
import { retryDelay } from "../shell/retry.js";
import { MAX_ATTEMPTS, repeat, sendParts } from "./upload.js";

/** The form that uploads an organization's own model in parts and lets the server check it. */
export class DetectorUpload {
  #form;
  #input;
  #button;
  #cancel;
  #status;
  /** @type {AbortController | null} */
  #running = null;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#form = form;
    this.#input = /** @type {HTMLInputElement} */ (form.elements.namedItem("file"));
    this.#button = /** @type {HTMLButtonElement} */ (form.querySelector("[type=submit]"));
    this.#cancel = /** @type {HTMLButtonElement} */ (form.querySelector("[data-cancel]"));
    this.#status = /** @type {HTMLOutputElement} */ (form.querySelector("output"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run();
    });
    this.#input.addEventListener("change", () => this.#suggestName());
    this.#cancel.addEventListener("click", () => this.#running?.abort());
    addEventListener("beforeunload", (event) => this.#running && event.preventDefault());
    this.#suggestName(); // a file may have been chosen before this script ran
    this.#button.disabled = false; // disabled in the markup: a click before this script ran would be lost
  }

  #suggestName() {
    const name = /** @type {HTMLInputElement} */ (this.#form.elements.namedItem("name"));
    if (!name.value) name.value = this.#input.files?.[0]?.name.replace(/\.onnx$/i, "").slice(0, 100) ?? "";
  }

  /** @param {string} sentence @param {"" | "failed"} [state] */
  #show(sentence, state = "") {
    this.#status.textContent = sentence;
    this.#status.dataset.state = state;
  }

  async #run() {
    const file = this.#input.files?.[0];
    if (!file) return this.#show("Choose a file first.", "failed");
    if (file.size > Number(this.#form.dataset.most)) return this.#show("The file is larger than 64 MiB.", "failed");
    this.#running = new AbortController();
    this.#button.disabled = true;
    this.#cancel.hidden = false;
    let failure = "The upload failed. Nothing has changed; reload the page and try again.";
    try {
      failure = await this.#upload(file);
    } catch (error) {
      if (this.#running.signal.aborted) failure = "Cancelled. Nothing has changed.";
      else console.error("The model could not be uploaded", error);
    } finally {
      this.#running = null;
      this.#button.disabled = false;
      this.#cancel.hidden = true;
    }
    if (!failure) return location.reload();
    this.#show(failure, "failed");
  }

  /**
   * @param {File} file
   * @returns {Promise<string>} an error sentence; empty after success
   */
  async #upload(file) {
    this.#show("Uploading");
    const fields = new FormData(this.#form);
    fields.delete("file");
    fields.set("size", String(file.size));
    const created = await this.#post(this.#form.action, fields);
    if (created.detail) {
      const invalid = this.#form.elements.namedItem(Object.keys(created.errors ?? {})[0] ?? "");
      if (invalid instanceof HTMLElement) invalid.focus();
      return created.detail;
    }
    const url = `${this.#form.action}/${created.id}`;
    const failure = await sendParts(file, {
      partSize: created.part,
      send: (number, data) => this.#post(`${url}/parts/${number}`, data),
      onProgress: (share) => this.#show(`Uploading, ${Math.floor(share * 100)} %`),
      wait: (attempt) => this.#wait(attempt),
    });
    return failure || this.#check(`${url}/check`);
  }

  /** @param {string} url @returns {Promise<string>} an error sentence; empty after success */
  async #check(url) {
    this.#cancel.hidden = true;
    const send = () => {
      this.#show("Checking it, at most half a minute");
      return this.#post(url);
    };
    const answer = await repeat(send, ({ status }) => status === 503, (attempt) => this.#wait(attempt));
    return answer.detail ?? (answer.state === "ready" ? "" : `It is refused. ${answer.reason}`);
  }

  /** @param {number} attempt that failed */
  #wait(attempt) {
    this.#show(`The server is not ready. Try ${attempt + 1} of ${MAX_ATTEMPTS} follows`);
    const cancelled = this.#running?.signal;
    return /** @type {Promise<void>} */ (
      new Promise((resolve, reject) => {
        if (cancelled?.aborted) return reject(cancelled.reason);
        cancelled?.addEventListener("abort", () => reject(cancelled.reason));
        setTimeout(resolve, retryDelay(attempt));
      })
    );
  }

  /**
   * @param {string} url @param {BodyInit} [body]
   * @returns {Promise<import("./upload.js").Answer>}
   */
  async #post(url, body) {
    const headers = { "X-CSRFToken": csrfToken() };
    const response = await fetch(url, { method: "POST", body, headers, signal: this.#running?.signal });
    if (response.redirected) return { status: 401, detail: "You are signed out. Sign in and try again." };
    const error = response.ok ? {} : { detail: `The server answered ${response.status}.` };
    return { ...error, ...(await response.json().catch(() => ({}))), status: response.status };
  }
}
