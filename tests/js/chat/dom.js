/** A minimal DOM for rendered messages, with serialization to HTML. */

class Child {
  parent = null;
  remove() {
    const all = this.parent.childNodes;
    all.splice(all.indexOf(this), 1);
    this.parent = null;
  }
  replaceWith(other) {
    const all = this.parent.childNodes;
    all[all.indexOf(this)] = other;
    other.parent = this.parent;
    this.parent = null;
  }
}

class Text extends Child {
  constructor(data) {
    super();
    this.data = data;
  }
  appendData(more) {
    this.data += more;
  }
  get html() {
    return this.data.replace(/[&<>\u00a0]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign] ?? "&nbsp;");
  }
}

const EMPTY = new Set(["br", "hr", "img"]);

class Element extends Child {
  childNodes = [];
  attributes = new Map();
  constructor(document, tag) {
    super();
    this.ownerDocument = document;
    this.tag = tag;
  }
  append(child) {
    child.parent = this;
    this.childNodes.push(child);
  }
  replaceChildren() {
    this.childNodes = [];
  }
  setAttribute(name, value) {
    if (/^on|^src|^style$/.test(name)) throw new Error(`${name} must not be set`);
    this.attributes.set(name, value);
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
    const opening = `<${this.tag}${attributes}>`;
    return EMPTY.has(this.tag) ? opening : `${opening}${this.inner}</${this.tag}>`;
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
