import { toast } from "../shell/toast.js";
import { Acts } from "./actions.js";
import { Announcer } from "./announce.js";
import { Refusal, ask, pageAt, tell } from "./api.js";
import { codeButtons } from "./code.js";
import { Composer } from "./composer.js";
import { Head } from "./title.js";
import { Question } from "./question.js";
import { refusalOf, sayRefusal } from "./refusals.js";
import { Follower } from "./scroll.js";
import { Thread, sourceOf, wordsOf } from "./thread.js";
import { Turn } from "./turn.js";

const AGAIN_MS = 2000; // before what the server shows is asked for once more
const EMPTY = "Response was empty";

/** The open chat: asks, follows one answer at a time, and shows what the server knows. */
export class Conversation {
  #root;
  #api;
  #pages;
  #head;
  #thread;
  #acts;
  #form;
  #composer;
  #follower;
  #refusal;
  #announcer = new Announcer();
  /** @type {Turn | null} */
  #turn = null;
  #refreshing = 0;
  #takeBack = () => {}; // a question that was not taken
  #stopping = false; // asked for before the server has named the answer
  /** Called when the chat was asked something or has changed. @type {() => void} */
  onnews = () => {};

  /** @param {HTMLElement} root `[data-conversation]` */
  constructor(root) {
    this.#root = root;
    this.#api = root.dataset.api ?? "";
    this.#pages = root.dataset.pages ?? "";
    const find = (/** @type {string} */ what) => /** @type {HTMLElement} */ (root.querySelector(what));
    const messages = find("[data-messages]");
    this.#head = new Head(find(".chat-head"));
    this.#refusal = find("[data-refusal]");
    this.#thread = new Thread(messages, root);
    this.#follower = new Follower(find("[data-scroller]"));
    new ResizeObserver(() => this.#follower.grown()).observe(find("[data-scroller]"));
    codeButtons(messages);
    this.#acts = new Acts(messages, this.#thread, {
      asked: (kind, message, prompt) => this.#ask(kind, { message, prompt }),
      busy: () => this.#turn !== null,
      address: (message) => this.#address(message),
      refresh: () => this.refresh(),
      say: (sentence) => this.#announcer.say(sentence),
    });
    this.#form = /** @type {HTMLFormElement} */ (find("[data-composer]"));
    this.#composer = new Composer(this.#form, { chat: this.chat || "new" });
    this.#form.addEventListener("send", (event) => this.#send(/** @type {CustomEvent} */ (event).detail));
    this.#form.addEventListener("stop", () => this.#stop());
    this.#form.addEventListener("edit-last", () => {
      const last = this.#thread.lastPrompt;
      if (last) this.#acts.edit(last);
    });
    this.#jumps(find("[data-jump]"), find("[data-prompt]"));
    this.#follower.toEnd();
    this.#attach();
  }

  /** The id of the open chat; nothing before a new one's first prompt. */
  get chat() {
    return this.#root.dataset.chat ?? "";
  }

  /** Whether it is deleted, for now. @param {boolean} gone */
  set gone(gone) {
    this.#root.toggleAttribute("data-gone", gone);
  }

  /** Show what the server shows now, and follow the answer that runs. */
  async refresh() {
    const mine = (this.#refreshing += 1);
    const outdated = () => mine !== this.#refreshing || !this.chat || (this.#turn && !this.#turn.begun);
    if (outdated()) return;
    try {
      const page = await pageAt(`${this.#pages}/${this.chat}${location.search}`);
      if (outdated()) return;
      this.#thread.merge(page, this.#turn?.element ?? null);
      this.#head.show(page.querySelector("[data-conversation] .chat-head"));
      this.#follower.grown();
      this.#attach();
    } catch (error) {
      if (error instanceof Refusal && error.status === 404) this.gone = true;
      if (error instanceof Refusal || outdated()) return;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      if (!outdated()) await this.refresh();
    }
  }

  /** @param {HTMLElement} button @param {HTMLElement} field where the focus goes then */
  #jumps(button, field) {
    this.#follower.addEventListener("following", () => (button.hidden = this.#follower.following));
    button.addEventListener("click", () => {
      this.#follower.toEnd();
      field.focus();
    });
  }

  /** @param {string} message */
  #address(message) {
    return `${this.#api}/${this.chat}/messages/${message}`;
  }

  /** @param {{prompt: string, key: string}} what */
  #send(what) {
    if (this.#form.checkValidity()) return this.#ask("send", what);
    this.#composer.refused();
    this.#form.reportValidity(); // such as: for which organization
  }

  /**
   * Ask, and follow the answer.
   * @param {import("./question.js").What["kind"]} kind
   * @param {{message?: HTMLElement, prompt?: string, key?: string}} what
   */
  #ask(kind, { message, prompt, key }) {
    if (this.#turn) return;
    sayRefusal(this.#refusal, "");
    const onward = kind === "continue";
    const said = onward && message ? sourceOf(message) : "";
    const question = new Question(this.#where(), { kind, message: message?.dataset.message, prompt, key });
    const begun = this.#thread.begin({ prompt, place: message, keepWords: onward });
    const turn = this.#follow(begun.answer, { send: () => question.send() }, said.length);
    this.#follower.toEnd();
    this.#takeBack = () => {
      this.#turn = null;
      begun.undo();
      if (kind === "send") this.#composer.refused();
      else if (message && prompt) this.#acts.edit(message, prompt);
    };
    turn.onstart = ({ message_id, user_message_id }) => {
      Object.assign(begun.answer.dataset, { message: message_id, status: "running" });
      if (begun.user) begun.user.dataset.message = user_message_id;
      if (kind === "send") this.#composer.accepted();
      this.#isNow(question.chat);
      this.onnews();
      this.refresh(); // what is under the prompt, and the name of a new chat
      if (this.#stopping) this.#stop();
    };
    turn.onstate = (state) => {
      if (state.phase !== "over" || turn.begun) return this.#told(state);
      this.#takeBack();
      sayRefusal(this.#refusal, refusalOf(state, question.response), state.code);
      if (state.code === 409) this.refresh(); // which attaches to what runs
    };
  }

  #where() {
    const chosen = /** @type {HTMLSelectElement | null} */ (this.#form.elements.namedItem("organization"));
    const organization = chosen?.value || this.#root.dataset.organization || "";
    return { api: this.#api, chat: this.chat, organization };
  }

  /** A new chat has its own address from now on. @param {string} chat */
  #isNow(chat) {
    if (this.chat === chat) return;
    this.#root.dataset.chat = chat;
    this.#composer.chat = chat;
    this.#form.querySelector(".composer-organization")?.remove();
    history.replaceState(null, "", `${this.#pages}/${chat}`);
  }

  /** Follow the answer that runs by the server's word, from its beginning. */
  #attach() {
    const running = this.#thread.running;
    if (!running || this.#turn) return;
    const shown = Number(wordsOf(running).dataset.length);
    const turn = this.#follow(running, { message: running.dataset.message }, shown);
    turn.onstate = (state) => this.#told(state);
  }

  /**
   * @param {HTMLElement} element
   * @param {{send?: () => Promise<Response>, message?: string}} source
   * @param {number} shown characters
   */
  #follow(element, source, shown) {
    const events = (/** @type {string} */ message) => `${this.#address(message)}/events`;
    const grown = () => this.#follower.grown();
    const model = element.dataset.model || undefined;
    const turn = (this.#turn = new Turn(element, { events, ...source }, { grown, shown, model }));
    this.#composer.running = true;
    queueMicrotask(() => turn.follow().then(() => this.#ended(turn)));
    return turn;
  }

  /** @param {Turn} turn */
  #ended(turn) {
    if (this.#turn === turn) this.#turn = null;
    this.#stopping = false;
    this.#composer.running = this.#turn !== null;
    if (!turn.begun) return;
    this.refresh();
    this.onnews();
  }

  /** @param {import("./answer.js").State} state */
  #told(state) {
    this.#announcer.state(state);
    if (state.phase === "over" && state.words === EMPTY) toast(EMPTY, { error: true });
  }

  async #stop() {
    const turn = this.#turn;
    const message = turn?.element.dataset.message;
    if (turn?.lost && !turn.begun) {
      turn.close(); // it may have arrived: the same prompt sent again is the same question
      return this.#takeBack();
    }
    this.#stopping = turn !== null && !message;
    if (!message) return;
    try {
      await ask(`${this.#address(message)}/stop`, "POST");
    } catch (error) {
      toast(tell(error, "The answer was not stopped."), { error: true });
    }
  }
}
