const ENDINGS = {
  complete: "The answer is complete.",
  stopped: "The answer was stopped.",
  failed: "The answer failed.",
};

/**
 * Announces the state of an answer to screen readers: started, connection lost, connected again, ended.
 * The text of the answer is not announced; the list of messages must not be a live region.
 */
export class Announcer {
  #region;
  #last = "";
  #isLost = false;

  /** @param {Element | null} [region] a polite live region of the page */
  constructor(region = document.getElementById("spoken")) {
    this.#region = region;
  }

  /** @param {import("./answer.js").State} state of an AnswerStream */
  announceState({ phase, message, status }) {
    const wasLost = this.#isLost;
    this.#isLost = phase === "reconnecting";
    if (phase === "ended") this.announce([status && ENDINGS[status], message].filter(Boolean).join(" "));
    else if (this.#isLost !== wasLost) {
      this.announce(wasLost ? "Connected again." : "The connection was lost. Reconnecting.");
    } else if (phase === "waiting") this.announce("Answering.");
  }

  /** Announce a sentence; a repeated one is changed slightly, so that it is read again. @param {string} sentence */
  announce(sentence) {
    if (!this.#region) return;
    this.#region.textContent = sentence === this.#last ? `${sentence}\u00a0` : sentence;
    this.#last = this.#region.textContent;
  }
}
