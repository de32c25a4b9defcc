/** @typedef {[name: string, value: string][]} Attributes */

/**
 * Writes elements and text, in document order, over the children of an element. What is there already
 * stays; only what differs is changed. So selections, focus and scroll positions survive, and text that
 * grew is appended to. Content is written only as text nodes and attributes.
 */
export class DomWriter {
  #root;
  /** @type {Element} that is being written */
  #element;
  /** @type {any} the child in the place of the next one; null at the end */
  #next = null;
  #text = ""; // not yet written: adjacent pieces become one node
  /** @type {WeakMap<Node, Node>} last finished child by parent */
  #finished = new WeakMap();
  /** @type {WeakMap<Node, string>} by element, what its content was written from */
  #sources = new WeakMap();

  /** @param {Element} root */
  constructor(root) {
    this.#root = root;
    this.#element = root;
  }

  /** Begin to write the children of the root; `close` ends it. */
  begin() {
    this.#enter(this.#root);
  }

  /** @param {string} tag @param {Attributes} [attributes] */
  open(tag, attributes = []) {
    this.#writeText();
    const found = this.#next;
    const element = found?.localName === tag ? found : this.#root.ownerDocument.createElement(tag);
    setAttributes(element, attributes);
    if (element !== found) this.#place(element);
    this.#enter(element);
  }

  /** Close the open element, without the children that were not written again. */
  close() {
    this.#writeText();
    while (this.#next) {
      const surplus = this.#next;
      this.#next = surplus.nextSibling;
      surplus.remove();
    }
    const closed = this.#element;
    if (closed === this.#root) return;
    this.#element = /** @type {Element} */ (closed.parentNode);
    this.#next = closed.nextSibling;
  }

  /** An element with nothing but text. @param {string} tag @param {string} text */
  leaf(tag, text) {
    this.open(tag);
    this.text(text);
    this.close();
  }

  /** @param {string} text */
  text(text) {
    this.#text += text;
  }

  /**
   * Keep the content of the open element if it was written from the same source; false if not.
   * @param {string} source
   */
  keepContent(source) {
    const isSame = this.#sources.get(this.#element) === source;
    if (isSame) this.#next = null;
    else this.#sources.set(this.#element, source);
    return isSame;
  }

  /** From now on, write only after this child of its parent. @param {Node} child */
  finish(child) {
    this.#finished.set(/** @type {Node} */ (child.parentNode), child);
  }

  /** Write everything again. */
  restart() {
    this.#finished = new WeakMap();
  }

  /** @param {Element} element */
  #enter(element) {
    const last = this.#finished.get(element);
    this.#element = element;
    this.#next = last ? last.nextSibling : element.firstChild;
  }

  /** @param {any} node is written in the place of the next one */
  #place(node) {
    if (this.#next) this.#next.replaceWith(node);
    else this.#element.append(node);
  }

  #writeText() {
    const text = this.#text;
    if (!text) return;
    this.#text = "";
    const node = this.#next;
    if (node?.nodeType !== 3) {
      const created = this.#root.ownerDocument.createTextNode(text);
      this.#place(created);
      this.#next = created.nextSibling;
      return;
    }
    const shown = node.data;
    if (text !== shown && text.startsWith(shown)) node.appendData(text.slice(shown.length));
    else if (text !== shown) node.data = text;
    this.#next = node.nextSibling;
  }
}

/** @param {Element} element @param {Attributes} attributes */
function setAttributes(element, attributes) {
  const names = element.getAttributeNames();
  const isSame = ([name, value], /** @type {number} */ at) => names[at] === name && element.getAttribute(name) === value;
  if (names.length === attributes.length && attributes.every(isSame)) return;
  for (const name of names) element.removeAttribute(name);
  for (const [name, value] of attributes) element.setAttribute(name, value);
}
