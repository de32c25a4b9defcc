/** The smallest document that a message can be built in, and written out as a browser would. */

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
    if (/^on|^src|^style$/.test(name)) throw new Error(`${name} was set`);
    this.attributes.set(name, value);
  }
  removeAttribute(name) {
    this.attributes.delete(name);
  }
  get inner() {
    return this.childNodes.map((child) => child.html).join("");
  }
  get html() {
    const said = (value) => value.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    const words = [...this.attributes].map(([name, value]) => ` ${name}="${said(value)}"`).join("");
    const opening = `<${this.tag}${words}>`;
    return EMPTY.has(this.tag) ? opening : `${opening}${this.inner}</${this.tag}>`;
  }
}

/** What is counted: elements and texts that were made. */
export class Page {
  made = 0;
  createElement(tag) {
    this.made += 1;
    return new Element(this, tag);
  }
  createTextNode(data) {
    this.made += 1;
    return new Text(data);
  }
}
