import { MOST, normal } from "./grammar.js";
import { patch } from "./patch.js";
import { blocks, plain, rowsOf, settle } from "./tree.js";

const MANY = 40; // children of one list or table, from which on its older ones are not read again

/**
 * @typedef {import("./node.js").Node} Node
 * @typedef {import("./node.js").List} List
 */

/**
 * A Markdown text that grows, shown as it grows. Blocks that are finished stay as they are; only
 * what follows is read again, and of that only what changed is drawn. The last showing (`final`)
 * reads the whole once, because a link's definition may come after its use.
 */
export class IncrementalMarkdown {
  #element;
  #text = "";
  /** @type {Node[]} what the element shows */
  #shown = [];
  #frozen = 0; // that many of these are finished
  #from = 0; // where in the text the others begin
  /** @type {Record<string, {href: string}>} link definitions before that */
  #references = {};
  /** @type {Kept | null} */
  #kept = null;

  /** @param {Element} element whose children become the text's */
  constructor(element) {
    this.#element = element;
  }

  /**
   * @param {string} text all of it; one that does not continue the former starts over
   * @param {{final?: boolean}} [options] `final`: nothing will follow
   */
  show(text, { final = false } = {}) {
    const whole = normal(text);
    if (!this.#shown.length) this.#element.replaceChildren();
    if (final || !whole.startsWith(this.#text)) this.#restart();
    this.#text = whole;
    if (text.length > MOST) {
      this.#restart();
      return this.#draw([plain(whole)]);
    }
    this.#draw(this.#read(this.#text.slice(this.#from)));
    if (!final) this.#freeze();
  }

  #restart() {
    this.#frozen = 0;
    this.#from = 0;
    this.#references = {};
    this.#kept = null;
  }

  /** @param {Node[]} nodes the unfinished ones */
  #draw(nodes) {
    const old = this.#frozen ? this.#shown.slice(this.#frozen) : this.#shown;
    patch(this.#element, old, nodes);
    this.#shown = this.#frozen ? [...this.#shown.slice(0, this.#frozen), ...nodes] : nodes;
  }

  /** The blocks of the unfinished part. @param {string} tail */
  #read(tail) {
    const kept = this.#kept;
    if (!kept) return blocks(tail, this.#env());
    const nodes = blocks(kept.head + tail, this.#env());
    if (nodes[0]?.tag === kept.tag && childrenOf(nodes[0])) {
      graft(nodes[0], kept);
      return nodes;
    }
    this.#from = kept.from;
    this.#kept = null;
    return blocks(this.#text.slice(this.#from), this.#env());
  }

  /** Remember the link definitions of what is not read again. @param {string} source */
  #learn(source) {
    const env = this.#env();
    blocks(source, env);
    this.#references = env.references;
  }

  #env() {
    return { references: { ...this.#references } };
  }

  /**
   * Leave aside what no further text can change. That is decided by whole lines: half of one may
   * still become anything.
   */
  #freeze() {
    const last = this.#shown.at(-1);
    const rest = this.#shown.length - this.#frozen;
    if (!last || (rest === 1 && !(growing(last) > (this.#kept?.children.length ?? 0) + MANY))) return;
    const lines = this.#text.slice(this.#from, this.#text.lastIndexOf("\n") + 1);
    const head = this.#kept?.head ?? "";
    const nodes = blocks(head + lines, this.#env());
    const finished = nodes.length - 1;
    if (finished > 0) {
      const end = offsetOf(head + lines, nodes[finished].line);
      this.#learn((head + lines).slice(0, end));
      this.#frozen += finished;
      this.#from += end - head.length;
      this.#kept = null;
    } else if (finished === 0 && rest === 1) this.#keep(last, nodes[0], head + lines, head.length);
  }

  /**
   * All but the last child of a long list or table are finished too.
   * @param {Node} shown the block, with all its children
   * @param {Node} read the same from whole lines, without those kept already
   * @param {string} source what that was read from
   * @param {number} headLength of it is no text of its own
   */
  #keep(shown, read, source, headLength) {
    const children = childrenOf(read);
    if (shown.tag !== read.tag || !children || children.length < 2) return;
    const end = offsetOf(source, children[children.length - 1].line);
    const before = this.#kept;
    const count = (before?.children.length ?? 0) + children.length - 1;
    this.#learn(source.slice(0, end));
    this.#kept = {
      tag: shown.tag,
      children: /** @type {Node[]} */ (childrenOf(shown)).slice(0, count),
      list: read.list && together(before?.list, read.list, /\n[ \t]*\n$/.test(source.slice(0, end))),
      head: read.list ? "" : source.slice(0, offsetOf(source, read.line + 2)),
      from: before?.from ?? this.#from,
    };
    this.#from += end - headLength;
  }
}

/**
 * The finished part of a block that still grows.
 * @typedef {{tag: string, children: Node[], list: List | null,
 *            head: string, from: number}} Kept
 *   `head`: the lines of a table without which its rows mean nothing; `from`: where the block begins
 */

/** @param {Node} node @returns {Node[] | null} items or rows */
function childrenOf(node) {
  if (node.list) return node.children;
  return node.tag === "div" ? (rowsOf(node)?.children ?? null) : null;
}

/** @param {Node} node */
function growing(node) {
  return childrenOf(node)?.length ?? 0;
}

/**
 * One list of two parts.
 * @param {List | null | undefined} first
 * @param {List} second
 * @param {boolean} [apart] an empty line follows the first part
 */
function together(first, second, apart = false) {
  return {
    start: first ? first.start : second.start,
    loose: Boolean(first?.loose || second.loose || apart),
    paragraphs: Boolean(first?.paragraphs || second.paragraphs),
  };
}

/**
 * Put the finished part before what was read now.
 * @param {Node} node
 * @param {Kept} kept
 */
function graft(node, kept) {
  const holder = node.list ? node : /** @type {Node} */ (rowsOf(node));
  holder.children = kept.children.concat(holder.children);
  if (!node.list) return;
  node.list = together(kept.list, node.list);
  settle(node);
}

/**
 * Where in a text a line begins.
 * @param {string} text
 * @param {number} line
 */
function offsetOf(text, line) {
  let at = 0;
  for (let passed = 0; passed < line; passed += 1) at = text.indexOf("\n", at) + 1;
  return at;
}
