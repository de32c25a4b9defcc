/** A minimal DOM for rendered messages, with serialization to HTML. */

class Child {
  parentNode = null;
  previousSibling = null;
  nextSibling = null;
  remove() {
    const { parentNode, previousSibling, nextSibling } = this;
    if (previousSibling) previousSibling.nextSibling = nextSibling;
    else parentNode.firstChild = nextSibling;
    if (nextSibling) nextSibling.previousSibling = previousSibling;
    else parentNode.lastChild = previousSibling;
    this.parentNode = this.previousSibling = this.nextSibling = null;
  }
  replaceWith(other) {
    const { parentNode, previousSibling, nextSibling } = this;
    this.remove();
    Object.assign(other, { parentNode, previousSibling, nextSibling });
    if (previousSibling) previousSibling.nextSibling = other;
    else parentNode.firstChild = other;
    if (nextSibling) nextSibling.previousSibling = other;
    else parentNode.lastChild = other;
  }
}

class Text extends Child {
  nodeType = 3;
  constructor(data) {
    super();
    this.data = data;
  }
  appendData(more) {
    this.data += more;
  }
  splitText(offset) {
    const { parentNode, nextSibling } = this;
    const rest = new Text(this.data.slice(offset));
    this.data = this.data.slice(0, offset);
    Object.assign(rest, { parentNode, nextSibling, previousSibling: this });
    this.nextSibling = rest;
    if (nextSibling) nextSibling.previousSibling = rest;
    else parentNode.lastChild = rest;
  }
  get html() {
    return this.data.replace(/[&<>\u00a0]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? "&nbsp;");
  }
}

const EMPTY = new Set(["br", "hr", "img"]);

class Element extends Child {
  nodeType = 1;
  firstChild = null;
  lastChild = null;
  attributes = new Map();
  constructor(document, tag) {
    super();
    this.ownerDocument = document;
    this.localName = tag;
  }
  get childNodes() {
    const children = [];
    for (let child = this.firstChild; child; child = child.nextSibling) children.push(child);
    return children;
  }
  append(child) {
    child.parentNode = this;
    child.previousSibling = this.lastChild;
    if (this.lastChild) this.lastChild.nextSibling = child;
    else this.firstChild = child;
    this.lastChild = child;
  }
  setAttribute(name, value) {
    if (/^on|^src|^style$/.test(name)) throw new Error(`${name} must not be set`);
    this.attributes.set(name, value);
  }
  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }
  getAttributeNames() {
    return [...this.attributes.keys()];
  }
  removeAttribute(name) {
    this.attributes.delete(name);
  }
  get inner() {
    return this.childNodes.map((child) => child.html).join("");
  }
  get html() {
    const escape = (value) => value.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    const attributes = [...this.attributes].map(([name, value]) => ` ${name}="${escape(value)}"`).join("");
    const opening = `<${this.localName}${attributes}>`;
    return EMPTY.has(this.localName) ? opening : `${opening}${this.inner}</${this.localName}>`;
  }
}

/** A document that counts the created nodes. */
export class Page {
  created = 0;
  createElement(tag) {
    this.created += 1;
    return new Element(this, tag);
  }
  createTextNode(data) {
    this.created += 1;
    return new Text(data);
  }
}
