import { MAX_LENGTH, isWithinLimits, normalize } from "./parser.js";
import { patch } from "./patch.js";
import { parseBlocks, plainNode, rowsOf, setListAttributes } from "./tree.js";

const MANY = 40; // items or rows; of a longer list or table, the finished ones are not parsed again

/**
 * @typedef {import("./node.js").Node} Node
 * @typedef {import("./node.js").List} List
 */

/**
 * Renders a streamed Markdown text incrementally. Finished blocks stay as they are; the rest is parsed
 * again with each update, and only its changed nodes are written. The `final` update parses the whole
 * text, because a link may be defined after its use.
 */
export class IncrementalMarkdown {
  #element;
  #text = "";
  /** @type {Node[]} nodes that the element shows */
  #shown = [];
  #finishedCount = 0; // of `#shown`
  #offset = 0; // in the text, where the unfinished blocks start
  /** @type {Record<string, {href: string}>} link definitions before `#offset` */
  #references = {};
  /** @type {FinishedPart | null} of the last block */
  #part = null;

  /** @param {Element} element its children are replaced by the rendered text */
  constructor(element) {
    this.#element = element;
  }

  /**
   * @param {string} text the whole text so far; if it does not start with the former text, rendering restarts
   * @param {{final?: boolean}} [options] `final`: the text is complete
   */
  show(text, { final = false } = {}) {
    const whole = normalize(text);
    if (!this.#shown.length) this.#element.replaceChildren();
    if (final || !whole.startsWith(this.#text)) this.#restart();
    this.#text = whole;
    if (text.length > MAX_LENGTH || !isWithinLimits(whole)) {
      this.#restart();
      return this.#render([plainNode(whole)]);
    }
    this.#render(this.#parse(this.#text.slice(this.#offset)));
    if (!final) this.#finishBlocks();
  }

  #restart() {
    this.#finishedCount = 0;
    this.#offset = 0;
    this.#references = {};
    this.#part = null;
  }

  /** @param {Node[]} nodes the unfinished blocks */
  #render(nodes) {
    const old = this.#finishedCount ? this.#shown.slice(this.#finishedCount) : this.#shown;
    patch(this.#element, old, nodes);
    this.#shown = this.#finishedCount ? [...this.#shown.slice(0, this.#finishedCount), ...nodes] : nodes;
  }

  /** Parse the unfinished blocks. @param {string} tail the text from `#offset` on */
  #parse(tail) {
    const part = this.#part;
    if (!part) return parseBlocks(tail, this.#env());
    const nodes = parseBlocks(part.head + tail, this.#env());
    if (nodes[0]?.tag === part.tag && childrenOf(nodes[0])) {
      prependPart(nodes[0], part);
      return nodes;
    }
    this.#offset = part.start;
    this.#part = null;
    return parseBlocks(this.#text.slice(this.#offset), this.#env());
  }

  /** Add the link definitions of finished text. @param {string} source */
  #addDefinitions(source) {
    const env = this.#env();
    parseBlocks(source, env);
    this.#references = env.references;
  }

  #env() {
    return { references: { ...this.#references } };
  }

  /**
   * Mark blocks as finished that later text cannot change. Only whole lines count: an unfinished line
   * may still become any block.
   */
  #finishBlocks() {
    const last = this.#shown.at(-1);
    const rest = this.#shown.length - this.#finishedCount;
    if (!last || (rest === 1 && !(childCount(last) > (this.#part?.children.length ?? 0) + MANY))) return;
    const lines = this.#text.slice(this.#offset, this.#text.lastIndexOf("\n") + 1);
    const head = this.#part?.head ?? "";
    const nodes = parseBlocks(head + lines, this.#env());
    const finishedCount = nodes.length - 1;
    if (finishedCount > 0) {
      const end = offsetOf(head + lines, nodes[finishedCount].line);
      this.#addDefinitions((head + lines).slice(0, end));
      this.#finishedCount += finishedCount;
      this.#offset += end - head.length;
      this.#part = null;
    } else if (finishedCount === 0 && rest === 1) this.#finishChildren(last, nodes[0], head + lines, head.length);
  }

  /**
   * Mark all children but the last of a long list or table as finished.
   * @param {Node} shown the block with all its children
   * @param {Node} parsed the same block, parsed from whole lines, without children finished before
   * @param {string} source of `parsed`
   * @param {number} headLength length of the repeated table head at the start of `source`
   */
  #finishChildren(shown, parsed, source, headLength) {
    const children = childrenOf(parsed);
    if (shown.tag !== parsed.tag || !children || children.length < 2) return;
    const end = offsetOf(source, children[children.length - 1].line);
    const before = this.#part;
    const count = (before?.children.length ?? 0) + children.length - 1;
    this.#addDefinitions(source.slice(0, end));
    this.#part = {
      tag: shown.tag,
      children: /** @type {Node[]} */ (childrenOf(shown)).slice(0, count),
      list: parsed.list && mergeLists(before?.list, parsed.list, /\n[ \t]*\n$/.test(source.slice(0, end))),
      head: parsed.list ? "" : source.slice(0, offsetOf(source, parsed.line + 2)),
      start: before?.start ?? this.#offset,
    };
    this.#offset += end - headLength;
  }
}

/**
 * The finished children of a block that still grows.
 * @typedef {{tag: string, children: Node[], list: List | null,
 *            head: string, start: number}} FinishedPart
 *   `head`: a table's head lines, needed to parse its rows; `start`: offset of the block in the text
 */

/** @param {Node} node @returns {Node[] | null} items of a list or rows of a table */
function childrenOf(node) {
  if (node.list) return node.children;
  return node.tag === "div" ? (rowsOf(node)?.children ?? null) : null;
}

/** @param {Node} node */
function childCount(node) {
  return childrenOf(node)?.length ?? 0;
}

/**
 * Properties of a list, from those of its two parts.
 * @param {List | null | undefined} first
 * @param {List} second
 * @param {boolean} [isSeparated] a blank line follows the first part
 */
function mergeLists(first, second, isSeparated = false) {
  return {
    start: first ? first.start : second.start,
    loose: Boolean(first?.loose || second.loose || isSeparated),
    paragraphs: Boolean(first?.paragraphs || second.paragraphs),
  };
}

/**
 * Insert the finished children before the parsed ones.
 * @param {Node} node
 * @param {FinishedPart} part
 */
function prependPart(node, part) {
  const holder = node.list ? node : /** @type {Node} */ (rowsOf(node));
  holder.children = part.children.concat(holder.children);
  if (!node.list) return;
  node.list = mergeLists(part.list, node.list);
  setListAttributes(node);
}

/**
 * The offset at which a line starts.
 * @param {string} text
 * @param {number} line
 */
function offsetOf(text, line) {
  let at = 0;
  for (let passed = 0; passed < line; passed += 1) at = text.indexOf("\n", at) + 1;
  return at;
}
