/**
 * The messages of a chat in the page. All markup is the server's: new messages are clones of the
 * page's templates, and changes are taken from a freshly fetched page.
 */
export class Thread {
  #root;
  #templates;

  /** @param {HTMLElement} root `[data-messages]` @param {ParentNode} templates parent of the templates */
  constructor(root, templates) {
    this.#root = root;
    this.#templates = templates;
  }

  /** All messages, first to last. @returns {HTMLElement[]} */
  get messages() {
    return /** @type {HTMLElement[]} */ ([...this.#root.querySelectorAll("[data-message]")]);
  }

  /** The last prompt; null if there is none. */
  get lastPrompt() {
    return this.messages.findLast((message) => message.dataset.role === "user") ?? null;
  }

  /** The running answer, as the server last rendered it; null if there is none. */
  get running() {
    return this.messages.find((message) => message.dataset.status === "running") ?? null;
  }

  /** Clone a template of the page. @param {string} name */
  cloneTemplate(name) {
    const template = /** @type {HTMLTemplateElement} */ (this.#templates.querySelector(`[data-blank=${name}]`));
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    return /** @type {HTMLElement} */ (copy.firstElementChild);
  }

  /**
   * Add a prompt and an empty answer at the end, or instead of a message and all that follow it.
   * @param {{prompt?: string, replaced?: HTMLElement, keepContent?: boolean}} turn without a prompt,
   *   only the answer is added; `keepContent`: the answer starts with the content of `replaced`
   */
  addTurn({ prompt, replaced, keepContent = false }) {
    const removed = replaced ? this.messages.slice(this.messages.indexOf(replaced)) : [];
    const answer = this.cloneTemplate("assistant");
    const added = [answer];
    if (prompt !== undefined) {
      const user = this.cloneTemplate("user");
      contentOf(user).textContent = prompt;
      added.unshift(user);
    }
    if (keepContent && replaced) {
      contentOf(answer).replaceChildren(...contentOf(replaced).cloneNode(true).childNodes);
    }
    for (const message of added) if (!replaced) message.classList.add("message-new");
    for (const message of removed) message.remove();
    this.#root.append(...added);
    const undo = () => {
      for (const message of added) message.remove();
      this.#root.append(...removed);
    };
    return { user: prompt === undefined ? null : added[0], answer, undo };
  }

  /**
   * Show the messages of a fetched page, changing only what differs.
   * @param {Document} page
   * @param {HTMLElement | null} live the message that is being streamed; its content is not touched
   */
  merge(page, live) {
    const fetched = page.querySelector("[data-messages]");
    if (!fetched) return;
    const focus = this.#savedFocus();
    const fresh = /** @type {HTMLElement[]} */ ([...fetched.querySelectorAll("[data-message]")]);
    const current = new Map(this.messages.map((message) => [message.dataset.message, message]));
    const first = fresh.length ? current.get(fresh[0].dataset.message) : undefined;
    if (!first) this.#root.replaceChildren(...fetched.childNodes);
    else {
      /** @type {Element | null} */
      let next = first;
      for (const message of fresh) {
        const known = current.get(message.dataset.message);
        if (known && known !== live) update(known, message);
        const element = known ?? message;
        if (element === next) next = next.nextElementSibling;
        else this.#root.insertBefore(element, next);
      }
      while (next) {
        const following = next.nextElementSibling;
        if (next !== live) next.remove();
        next = following;
      }
    }
    this.#restoreFocus(focus);
  }

  /**
   * The focused action, by its position: another version of the answer may take the same place.
   * @returns {{element: Element, position: number, act: string, nth: number} | null}
   */
  #savedFocus() {
    const element = document.activeElement?.closest("[data-act]");
    const message = /** @type {HTMLElement | null} */ (element?.closest("[data-message]") ?? null);
    if (!element || !message || !this.#root.contains(message)) return null;
    const buttons = /** @type {HTMLElement[]} */ ([...message.querySelectorAll("[data-act]")]);
    const act = /** @type {HTMLElement} */ (element).dataset.act ?? "";
    const same = buttons.filter((button) => button.dataset.act === act);
    const nth = same.indexOf(/** @type {HTMLElement} */ (element));
    return { element, position: this.messages.indexOf(message), act, nth };
  }

  /** @param {{element: Element, position: number, act: string, nth: number} | null} focus */
  #restoreFocus(focus) {
    if (!focus || focus.element.isConnected) return;
    const message = this.messages[focus.position];
    const same = /** @type {NodeListOf<HTMLButtonElement> | undefined} */ (
      message?.querySelectorAll(`[data-act=${focus.act}]`)
    );
    const enabled = [...(same ?? [])].filter((button) => !button.disabled);
    const target = same?.[focus.nth];
    if (target) (enabled.includes(target) ? target : enabled[0])?.focus();
  }
}

/** The element with the rendered text of a message. @param {Element} message */
export function contentOf(message) {
  return /** @type {HTMLElement} */ (message.querySelector("[data-words]"));
}

/** The Markdown of an answer, exactly as the model wrote it. @param {Element} message */
export function sourceOf(message) {
  const source = /** @type {HTMLTemplateElement | null} */ (message.querySelector("[data-source]"));
  return source?.content.textContent ?? contentOf(message).textContent ?? "";
}

/**
 * @param {HTMLElement} current in the page
 * @param {HTMLElement} fresh the same message as the server renders it now
 */
function update(current, fresh) {
  Object.assign(current.dataset, fresh.dataset);
  const [content, freshContent] = [contentOf(current), contentOf(fresh)];
  if (content.textContent !== freshContent.textContent) content.replaceChildren(...freshContent.childNodes);
  const [foot, freshFoot] = [current.querySelector("[data-foot]"), fresh.querySelector("[data-foot]")];
  if (foot && freshFoot && foot.innerHTML !== freshFoot.innerHTML) foot.replaceChildren(...freshFoot.childNodes);
}
