const ENDINGS = {
  complete: "The answer is complete.",
  stopped: "The answer was stopped.",
  failed: "The answer failed.",
};

/**
 * Tells screen readers where an answer stands: that it began, was lost for a while, and ended. The
 * words of the answer are not spoken as they come; the list of messages must be no live region.
 */
export class Announcer {
  #region;
  #said = "";
  #lost = false;

  /** @param {Element | null} [region] a polite live region of the page */
  constructor(region = document.getElementById("spoken")) {
    this.#region = region;
  }

  /** What an AnswerStream says of itself. @param {import("./answer.js").State} state */
  state({ phase, words, status }) {
    const lost = this.#lost;
    this.#lost = phase === "reconnecting";
    if (phase === "over") this.say([status && ENDINGS[status], words].filter(Boolean).join(" "));
    else if (this.#lost !== lost) this.say(lost ? "Connected again." : "The connection was lost. Reconnecting.");
    else if (phase === "waiting") this.say("Answering.");
  }

  /** One sentence; a repetition is spoken again. @param {string} sentence */
  say(sentence) {
    if (!this.#region) return;
    this.#region.textContent = sentence === this.#said ? `${sentence}\u00a0` : sentence;
    this.#said = this.#region.textContent;
  }
}
