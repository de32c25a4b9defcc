import { DomWriter } from "./dom-writer.js";
import { blockTokens, isList, isWithinLimits, normalize } from "./parser.js";
import { writeBlocks, writePlain } from "./renderer.js";

/** @typedef {import("./parser.js").Token} Token */

const STAND_IN_TOKENS = 5; // of an item: its opening, its paragraph's, the text, and their ends
const MAX_OPEN_CODE = 2048; // characters of an open code block, of which all lines but the last are then finished

/**
 * Renders a streamed Markdown text incrementally. Only the last two blocks are parsed again with each
 * update; of a long list, table or code block that is the last block, only the last items, rows or lines. A
 * line that is not complete may still become anything, but it starts at most one block: so the start of the last
 * but one is certain, and all before it is finished. The `final` update parses the whole text, because a
 * link may be defined after its use.
 */
export class IncrementalMarkdown {
  #element;
  #writer;
  #text = "";
  #offset = 0; // in the text, where the unfinished part starts
  /** @type {Record<string, {href: string}>} link definitions before `#offset` */
  #references = {};
  /**
   * If the unfinished part starts within a table, the table's head; within a code block, its opening
   * fence. Within a list, an item that stands in for the finished ones: it has the list's number, and a
   * blank line after it if the list is loose.
   */
  #head = "";

  /** @param {Element} element its children are replaced by the rendered text */
  constructor(element) {
    this.#element = element;
    this.#writer = new DomWriter(element);
  }

  /**
   * @param {string} text the whole text so far; if it does not start with the former text, rendering restarts
   * @param {{final?: boolean}} [options] `final`: the text is complete
   */
  show(text, { final = false } = {}) {
    const whole = normalize(text);
    const isParsed = isWithinLimits(text, whole);
    if (final || !isParsed || !whole.startsWith(this.#text)) this.#restart();
    this.#text = whole;
    if (isParsed) this.#render(this.#head + whole.slice(this.#offset), final);
    else writePlain(this.#writer, whole);
  }

  #restart() {
    this.#offset = 0;
    this.#references = {};
    this.#head = "";
    this.#writer.restart();
  }

  /** @param {string} source the head and the unfinished part @param {boolean} isFinal */
  #render(source, isFinal) {
    const env = { references: { ...this.#references } };
    const tokens = blockTokens(source, env);
    if (this.#head && isList(tokens[0])) tokens.splice(1, STAND_IN_TOKENS);
    writeBlocks(this.#writer, tokens, env);
    if (!isFinal) this.#finishParts(source, tokens);
  }

  /** @param {string} source @param {Token[]} tokens of `source`, as they are shown */
  #finishParts(source, tokens) {
    const blocks = tokens.filter(isBlock);
    const items = tokens.filter(isItem); // also a table's head
    if (blocks.length > 2) {
      this.#finish(source.slice(0, offsetOf(source, blocks.at(-2).map[0])), this.#element);
      this.#head = "";
    } else if (tokens.length === 1 && tokens[0].type === "fence") {
      this.#finishLines(source, tokens[0]);
    } else if (blocks.length === 1 && items.length > 3) {
      const finished = source.slice(0, offsetOf(source, items.at(-2).map[0]));
      const element = /** @type {any} */ (this.#element.lastChild);
      if (isList(blocks[0])) {
        // Without a paragraph a list is shown as tight, but a stand-in has one.
        const isParagraph = (/** @type {Token} */ token) => token.type === "paragraph_open" && token.level === 2;
        if (!this.#head && !tokens.slice(0, tokens.indexOf(items.at(-2))).some(isParagraph)) return;
        const item = standIn(blocks[0], source.slice(finished.length));
        const list = this.#finish(finished, element, item).find(isList);
        this.#head = list.isTight ? item : `${item}\n`;
      } else {
        const [start] = blocks[0].map;
        this.#finish(finished, element.firstChild.lastChild);
        this.#head = source.slice(offsetOf(source, start), offsetOf(source, start + 2));
      }
    }
  }

  /**
   * Finish all lines of a code block but the last, if they are many. The last may be its closing fence.
   * @param {string} source
   * @param {Token} fence its only token
   */
  #finishLines(source, fence) {
    const [start, end] = fence.map;
    if (fence.content.length < MAX_OPEN_CODE) return;
    const finished = source.slice(0, offsetOf(source, end - 1));
    const [{ content }] = blockTokens(finished, {});
    const shown = /** @type {any} */ (this.#element.lastChild).lastChild.firstChild.lastChild; // figure, pre, code
    shown.splitText(content.length);
    this.#writer.finish(shown);
    this.#offset += finished.length - this.#head.length;
    this.#head = source.slice(offsetOf(source, start), offsetOf(source, start + 1));
  }

  /**
   * Finish all children of an element but the last two.
   * @param {string} finished their source, from the head on
   * @param {Node} parent
   * @param {string} [next] source of the next child
   * @returns {Token[]} of both sources
   */
  #finish(finished, parent, next = "") {
    this.#writer.finish(/** @type {any} */ (parent.lastChild).previousSibling.previousSibling);
    this.#offset += finished.length - this.#head.length;
    return blockTokens(finished + next, { references: this.#references });
  }
}

/** Whether an outermost block starts here; link definitions are not shown. @param {Token} token */
function isBlock(token) {
  return token.level === 0 && token.nesting !== -1 && token.type !== "reference_definition";
}

/** Whether an item of an outermost list, or a row of an outermost table, starts here. @param {Token} token */
function isItem(token) {
  if (token.type === "tr_open") return token.level === 2;
  return token.type === "list_item_open" && token.level === 1;
}

/**
 * An item that may stand where a list's next item stands: as far from the margin, and with the same mark.
 * @param {Token} list
 * @param {string} rest of the source, from the next item on
 */
function standIn(list, rest) {
  const indent = rest.slice(0, rest.search(/[^ ]/));
  const number = list.tag === "ol" ? (list.attrGet("start") ?? 1) : "";
  return `${indent}${number}${list.markup} x\n`;
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
