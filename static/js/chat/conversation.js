import { copyCodeButtons } from "../shell/copy.js";
import { toast } from "../shell/toast.js";
import { MessageActions } from "./actions.js";
import { Announcer } from "./announce.js";
import { AnswerView } from "./answer-view.js";
import { ApiError, errorSentence, fetchPage, request } from "./api.js";
import { AutoScroll } from "./auto-scroll.js";
import { Composer } from "./composer.js";
import { GenerationRequest } from "./generation-request.js";
import { ChatHeader } from "./header.js";
import { refusalSentence, showRefusal } from "./refusals.js";
import { Thread, contentOf, sourceOf } from "./thread.js";

const REFRESH_RETRY_MS = 2000;
const EMPTY = "Response was empty";

/** The open chat: sends prompts, shows one running answer at a time, and refreshes from the server. */
export class Conversation {
  #root;
  #api;
  #pages;
  #header;
  #thread;
  #actions;
  #form;
  #composer;
  #scroll;
  #refusalLine;
  #announcer = new Announcer();
  /** @type {AnswerView | null} the running answer */
  #answer = null;
  #refreshCount = 0;
  #undoPrompt = () => {}; // removes a prompt that the server has not accepted
  #isStopping = false; // stop was requested before the answer had an id
  /** Called when a prompt was accepted or an answer has ended. @type {() => void} */
  onchange = () => {};

  /** @param {HTMLElement} root `[data-conversation]` */
  constructor(root) {
    this.#root = root;
    this.#api = root.dataset.api ?? "";
    this.#pages = root.dataset.pages ?? "";
    const find = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (root.querySelector(selector));
    const messages = find("[data-messages]");
    this.#header = new ChatHeader(find(".chat-head"));
    this.#refusalLine = find("[data-refusal]");
    this.#thread = new Thread(messages, root);
    this.#scroll = new AutoScroll(find("[data-scroller]"));
    new ResizeObserver(() => this.#scroll.contentGrew()).observe(find("[data-scroller]"));
    copyCodeButtons(messages);
    this.#actions = new MessageActions(messages, this.#thread, {
      generate: (kind, message, prompt) => this.#generate(kind, { message, prompt }),
      isBusy: () => this.#answer !== null,
      messageUrl: (message) => this.#messageUrl(message),
      refresh: () => this.refresh(),
      announce: (sentence) => this.#announcer.announce(sentence),
    });
    this.#form = /** @type {HTMLFormElement} */ (find("[data-composer]"));
    this.#composer = new Composer(this.#form, { chat: this.chat || "new" });
    this.#form.addEventListener("send", (event) => this.#send(/** @type {CustomEvent} */ (event).detail));
    this.#form.addEventListener("stop", () => this.#stop());
    this.#form.addEventListener("edit-last", () => {
      const last = this.#thread.lastPrompt;
      if (last) this.#actions.edit(last);
    });
    this.#bindJumpButton(find("[data-jump]"), find("[data-prompt]"));
    this.#scroll.toEnd();
    this.#resumeRunning();
  }

  /** The id of the open chat; empty before the first prompt of a new one. */
  get chat() {
    return this.#root.dataset.chat ?? "";
  }

  /** Mark the chat as deleted, or as restored. @param {boolean} isDeleted */
  set isDeleted(isDeleted) {
    this.#root.toggleAttribute("data-gone", isDeleted);
  }

  /** Show what the server renders now, and follow a running answer. */
  async refresh() {
    const count = (this.#refreshCount += 1);
    const isOutdated = () =>
      count !== this.#refreshCount || !this.chat || (this.#answer && !this.#answer.isAccepted);
    if (isOutdated()) return;
    try {
      const page = await fetchPage(`${this.#pages}/${this.chat}${location.search}`);
      if (isOutdated()) return;
      this.#thread.merge(page, this.#answer?.element ?? null);
      this.#header.update(page.querySelector("[data-conversation] .chat-head"));
      this.#scroll.contentGrew();
      this.#resumeRunning();
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) this.isDeleted = true;
      if (error instanceof ApiError || isOutdated()) return;
      await new Promise((resolve) => setTimeout(resolve, REFRESH_RETRY_MS));
      if (!isOutdated()) await this.refresh();
    }
  }

  /** @param {HTMLElement} button @param {HTMLElement} field gets the focus after a click */
  #bindJumpButton(button, field) {
    this.#scroll.addEventListener("following", () => (button.hidden = this.#scroll.isFollowing));
    button.addEventListener("click", () => {
      this.#scroll.toEnd();
      field.focus();
    });
  }

  /** @param {string} message */
  #messageUrl(message) {
    return `${this.#api}/${this.chat}/messages/${message}`;
  }

  /** @param {{prompt: string, key: string}} detail */
  #send(detail) {
    if (this.#form.checkValidity()) return this.#generate("send", detail);
    this.#composer.restore();
    this.#form.reportValidity(); // such as: no organization is selected
  }

  /**
   * Request an answer and show it.
   * @param {import("./generation-request.js").Generation["kind"]} kind
   * @param {{message?: HTMLElement, prompt?: string, key?: string}} options
   */
  #generate(kind, { message, prompt, key }) {
    if (this.#answer) return;
    showRefusal(this.#refusalLine, "");
    const isContinuation = kind === "continue";
    const existing = isContinuation && message ? sourceOf(message) : "";
    const id = message?.dataset.message;
    const generation = new GenerationRequest(this.#target(), { kind, message: id, prompt, key });
    const turn = this.#thread.addTurn({ prompt, replaced: message, keepContent: isContinuation });
    const answer = this.#follow(turn.answer, { send: () => generation.send() }, existing.length);
    this.#scroll.toEnd();
    this.#undoPrompt = () => {
      this.#answer = null;
      turn.undo();
      if (kind === "send") this.#composer.restore();
      else if (message && prompt) this.#actions.edit(message, prompt);
    };
    answer.onstart = ({ message_id, user_message_id }) => {
      Object.assign(turn.answer.dataset, { message: message_id, status: "running" });
      if (turn.user) turn.user.dataset.message = user_message_id;
      if (kind === "send") this.#composer.accept();
      this.#setChat(generation.chat);
      this.onchange();
      this.refresh(); // the actions of the prompt, and the name of a new chat
      if (this.#isStopping) this.#stop();
    };
    answer.onstate = (state) => {
      if (state.phase !== "ended" || answer.isAccepted) return this.#announceState(state);
      this.#undoPrompt();
      showRefusal(this.#refusalLine, refusalSentence(state, generation.response), state.code);
      if (state.code === 409) this.refresh(); // shows the answer that is running already
    };
  }

  #target() {
    const select = /** @type {HTMLSelectElement | null} */ (this.#form.elements.namedItem("organization"));
    const organization = select?.value || this.#root.dataset.organization || "";
    return { api: this.#api, chat: this.chat, organization };
  }

  /** Set the id and the URL of a new chat. @param {string} chat */
  #setChat(chat) {
    if (this.chat === chat) return;
    this.#root.dataset.chat = chat;
    this.#composer.chat = chat;
    this.#form.querySelector(".composer-organization")?.remove();
    history.replaceState(null, "", `${this.#pages}/${chat}`);
  }

  /** Follow the answer that is running according to the server, from its beginning. */
  #resumeRunning() {
    const running = this.#thread.running;
    if (!running || this.#answer) return;
    const shownLength = Number(contentOf(running).dataset.length);
    const answer = this.#follow(running, { message: running.dataset.message }, shownLength);
    answer.onstate = (state) => this.#announceState(state);
  }

  /**
   * @param {HTMLElement} element
   * @param {{send?: () => Promise<Response>, message?: string}} source
   * @param {number} shownLength characters that the element already has
   */
  #follow(element, source, shownLength) {
    const events = (/** @type {string} */ message) => `${this.#messageUrl(message)}/events`;
    const onResize = () => this.#scroll.contentGrew();
    const model = element.dataset.model || undefined;
    const answer = new AnswerView(element, { events, ...source }, { onResize, shownLength, model });
    this.#answer = answer;
    this.#composer.isRunning = true;
    queueMicrotask(() => answer.follow().then(() => this.#answerEnded(answer))); // after its callbacks are set
    return answer;
  }

  /** @param {AnswerView} answer */
  async #answerEnded(answer) {
    if (this.#answer === answer) this.#answer = null;
    this.#isStopping = false;
    this.#composer.isRunning = this.#answer !== null;
    if (!answer.isAccepted) return;
    const refreshed = this.refresh();
    this.onchange();
    await refreshed;
    if (!answer.wasHeldBack) return;
    answer.element.append(this.#thread.cloneTemplate("held-back"));
    this.#scroll.contentGrew();
  }

  /** @param {import("./answer.js").State} state */
  #announceState(state) {
    this.#announcer.announceState(state);
    if (state.phase === "ended" && state.message === EMPTY) toast(EMPTY, { error: true });
  }

  async #stop() {
    const answer = this.#answer;
    const message = answer?.element.dataset.message;
    if (answer?.isLost && !answer.isAccepted) {
      answer.close(); // the prompt may have arrived: sent again, it has the same Idempotency-Key
      return this.#undoPrompt();
    }
    this.#isStopping = answer !== null && !message;
    if (!message) return;
    try {
      await request(`${this.#messageUrl(message)}/stop`, "POST");
    } catch (error) {
      toast(errorSentence(error, "The answer was not stopped."), { error: true });
    }
  }
}
