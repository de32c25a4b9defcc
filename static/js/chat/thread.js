/**
 * The messages of a chat in the page. Their markup is the server's: empty ones are copies of the
 * page's templates, and what has changed is taken out of the page as the server would send it now.
 */
export class Thread {
  #root;
  #home;

  /** @param {HTMLElement} root `[data-messages]` @param {ParentNode} home of the templates */
  constructor(root, home) {
    this.#root = root;
    this.#home = home;
  }

  /** All messages, first to last. @returns {HTMLElement[]} */
  get messages() {
    return [...this.#root.querySelectorAll("[data-message]")];
  }

  /** The last prompt, if there is one. */
  get lastPrompt() {
    return this.messages.findLast((one) => one.dataset.role === "user") ?? null;
  }

  /** The answer that runs, by the server's last word. */
  get running() {
    return this.messages.find((one) => one.dataset.status === "running") ?? null;
  }

  /** A copy of one of the page's templates. @param {string} name */
  blank(name) {
    const template = /** @type {HTMLTemplateElement} */ (this.#home.querySelector(`[data-blank=${name}]`));
    const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    return /** @type {HTMLElement} */ (copy.firstElementChild);
  }

  /**
   * Put a prompt and an empty answer at the end, or in the place of a message and all that follows.
   * @param {{prompt?: string, place?: HTMLElement, keepWords?: boolean}} turn without a prompt it
   *   is the answer alone; `keepWords`: it begins with those of `place`
   */
  begin({ prompt, place, keepWords = false }) {
    const before = place ? this.messages.slice(this.messages.indexOf(place)) : [];
    const answer = this.blank("assistant");
    const made = [answer];
    if (prompt !== undefined) {
      const user = this.blank("user");
      wordsOf(user).textContent = prompt;
      made.unshift(user);
    }
    if (keepWords && place) wordsOf(answer).replaceChildren(...wordsOf(place).cloneNode(true).childNodes);
    for (const one of made) if (!place) one.classList.add("message-new");
    for (const one of before) one.remove();
    this.#root.append(...made);
    const undo = () => {
      for (const one of made) one.remove();
      this.#root.append(...before);
    };
    return { user: prompt === undefined ? null : made[0], answer, undo };
  }

  /**
   * Show what the server shows, touching what differs and nothing else.
   * @param {Document} page
   * @param {HTMLElement | null} live a message whose words are its own matter
   */
  merge(page, live) {
    const wanted = page.querySelector("[data-messages]");
    if (!wanted) return;
    const held = this.#held();
    const theirs = /** @type {HTMLElement[]} */ ([...wanted.querySelectorAll("[data-message]")]);
    const mine = new Map(this.messages.map((one) => [one.dataset.message, one]));
    const first = theirs.length ? mine.get(theirs[0].dataset.message) : undefined;
    if (!first) this.#root.replaceChildren(...wanted.childNodes);
    else {
      /** @type {Element | null} */
      let at = first;
      for (const one of theirs) {
        const known = mine.get(one.dataset.message);
        if (known) update(known, one, known === live);
        const place = known ?? one;
        if (place === at) at = at.nextElementSibling;
        else this.#root.insertBefore(place, at);
      }
      while (at) {
        const next = at.nextElementSibling;
        if (at !== live) at.remove();
        at = next;
      }
    }
    this.#hold(held);
  }

  /** Where in the thread the focus is: by place, for another answer may come there. */
  #held() {
    const on = document.activeElement?.closest("[data-act]");
    const message = /** @type {HTMLElement | null} */ (on?.closest("[data-message]") ?? null);
    if (!on || !message || !this.#root.contains(message)) return null;
    const acts = [...message.querySelectorAll("[data-act]")];
    const act = /** @type {HTMLElement} */ (on).dataset.act ?? "";
    const same = acts.filter((one) => /** @type {HTMLElement} */ (one).dataset.act === act);
    return { on, at: this.messages.indexOf(message), act, nth: same.indexOf(on) };
  }

  /** @param {ReturnType<Thread["#held"]>} held */
  #hold(held) {
    if (!held || held.on.isConnected) return;
    const message = this.messages[held.at];
    const same = /** @type {NodeListOf<HTMLButtonElement> | undefined} */ (
      message?.querySelectorAll(`[data-act=${held.act}]`)
    );
    const usable = [...(same ?? [])].filter((one) => !one.disabled);
    (usable.includes(same?.[held.nth] ?? usable[0]) ? same?.[held.nth] : usable[0])?.focus();
  }
}

/** @param {Element} message */
export function wordsOf(message) {
  return /** @type {HTMLElement} */ (message.querySelector("[data-words]"));
}

/** What the model wrote, as it wrote it. @param {Element} message */
export function sourceOf(message) {
  const source = /** @type {HTMLTemplateElement | null} */ (message.querySelector("[data-source]"));
  return source?.content.textContent ?? wordsOf(message).textContent ?? "";
}

/**
 * @param {HTMLElement} known in the page
 * @param {HTMLElement} now the same as the server shows it
 * @param {boolean} live whether its words come from elsewhere
 */
function update(known, now, live) {
  if (live) return;
  Object.assign(known.dataset, now.dataset);
  const [words, said] = [wordsOf(known), wordsOf(now)];
  if (words.textContent !== said.textContent) words.replaceChildren(...said.childNodes);
  const [foot, other] = [known.querySelector("[data-foot]"), now.querySelector("[data-foot]")];
  if (foot && other && foot.innerHTML !== other.innerHTML) foot.replaceChildren(...other.childNodes);
}
