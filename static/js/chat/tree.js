import { inlineNodes } from "./inlines.js";
import { element, textNode } from "./node.js";
import { blockTokens, inlineTokens, languageOf, trim } from "./parser.js";

/**
 * Markdown text as a tree of nodes, from which patch.js creates DOM. All tags of a rendered message are
 * listed here and in inlines.js. chats/markdown.py renders the same structure.
 *
 * @typedef {import("./parser.js").Env} Env
 * @typedef {import("./node.js").Node} Node
 */

const BLOCKS = {
  paragraph_open: "p",
  blockquote_open: "blockquote",
  bullet_list_open: "ul",
  ordered_list_open: "ol",
  list_item_open: "li",
  table_open: "table",
  thead_open: "thead",
  tbody_open: "tbody",
  tr_open: "tr",
  th_open: "th",
  td_open: "td",
};
const HEADINGS = { h1: "h3", h2: "h4", h3: "h5", h4: "h6", h5: "h6", h6: "h6" }; // h1 and h2 belong to the page

/**
 * Parse a text into block nodes.
 * @param {string} source normalized
 * @param {Env} env found link definitions are added
 * @returns {Node[]}
 */
export function parseBlocks(source, env) {
  const root = element("");
  const open = [root];
  const tokens = blockTokens(source, env);
  const key = referencesKey(env);
  for (const token of tokens) {
    const parent = open[open.length - 1];
    if (token.nesting === 1) open.push(openBlock(token, parent, open[open.length - 2]));
    else if (token.nesting === -1) setListAttributes(/** @type {Node} */ (open.pop()));
    else if (token.type === "inline") {
      parent.content = trim(token.content);
      parent.env = env;
      parent.key = parent.content.includes("[") ? key : "";
    } else if (token.type === "fence") add(parent, codeFigure(token.content, languageOf(token.info)), token);
    else if (token.type === "code_block") add(parent, codeFigure(token.content, "Code"), token);
    else if (token.type === "hr") add(parent, element("hr"), token);
  }
  return root.children;
}

/** The node of a whole text that is too long for Markdown. @param {string} source */
export function plainNode(source) {
  return element("pre", ["class", "plain"], [element("code", [], [textNode(source)])]);
}

/** Parse a node's inline Markdown into its children. @param {Node} node */
export function parseContent(node) {
  if (node.content !== null) node.children = inlineNodes(inlineTokens(node.content, node.env));
}

/** Set the attributes of a list, after its items are known. @param {Node} node */
export function setListAttributes(node) {
  if (!node.list) return;
  const { loose, paragraphs, start } = node.list;
  node.attrs = loose && paragraphs ? [] : ["class", "tight"];
  if (start) node.attrs.push("start", start);
}

/**
 * The node whose children are a table's rows.
 * @param {Node} table its outermost node
 * @returns {Node | undefined}
 */
export function rowsOf(table) {
  return table.children[0].children[1];
}

/** @param {Env} env */
function referencesKey({ references }) {
  return references ? Object.entries(references).map(([label, { href }]) => `${label} ${href}`).join("\n") : "";
}

/**
 * Append a node, with the line at which its token starts.
 * @param {Node} parent
 * @param {Node} node
 * @param {any} token
 */
function add(parent, node, token) {
  node.line = token.map?.[0] ?? 0;
  parent.children.push(node);
  return node;
}

/**
 * Append the node of an opening token, and return the node that gets its children.
 * @param {any} token
 * @param {Node} parent
 * @param {Node} [grandparent]
 */
function openBlock(token, parent, grandparent) {
  if (token.type === "table_open") {
    const table = element("table");
    add(parent, element("div", ["class", "table"], [table]), token);
    return table;
  }
  const tag = token.type === "heading_open" ? HEADINGS[token.tag] : BLOCKS[token.type];
  const node = add(parent, element(tag, alignmentOf(token)), token);
  if (tag === "ul" || tag === "ol") {
    node.list = { start: String(token.attrGet("start") ?? ""), loose: false, paragraphs: false };
  } else if (tag === "p" && grandparent?.list) {
    grandparent.list.paragraphs = true;
    grandparent.list.loose ||= !token.hidden;
  }
  return node;
}

/** The class of a table cell; the parser gives its alignment as a style. @param {any} token */
function alignmentOf(token) {
  const side = /^text-align:(left|center|right)$/.exec(token.attrGet("style") ?? "")?.[1];
  return side ? ["class", `align-${side}`] : [];
}

/**
 * A code block with its language and a "Copy" button.
 * @param {string} code
 * @param {string} language
 */
function codeFigure(code, language) {
  const button = element("button", ["type", "button", "data-copy-code", ""], [textNode("Copy")]);
  const caption = element("figcaption", [], [element("span", [], [textNode(language)]), button]);
  const body = element("code", [], code ? [textNode(code)] : []);
  return element("figure", ["class", "code"], [caption, element("pre", [], [body])]);
}
