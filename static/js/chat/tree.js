import { blockTokens, inlineTokens, languageOf, trimmed } from "./grammar.js";
import { inlines } from "./inlines.js";
import { element, textNode } from "./node.js";

/**
 * A text as a tree of nodes, which patch.js makes DOM of. Every tag that can come of a message is
 * named here or in inlines.js. chats/markdown.py writes the same structure.
 *
 * @typedef {import("./grammar.js").Env} Env
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
const HEADINGS = { h1: "h3", h2: "h4", h3: "h5", h4: "h6", h5: "h6", h6: "h6" }; // h1, h2: the page's

/**
 * The blocks of a text.
 * @param {string} source normalised
 * @param {Env} env gains the definitions found
 * @returns {Node[]}
 */
export function blocks(source, env) {
  const root = element("");
  const open = [root];
  const tokens = blockTokens(source, env);
  const key = referencesKey(env);
  for (const token of tokens) {
    const parent = open[open.length - 1];
    if (token.nesting === 1) open.push(opened(token, parent, open[open.length - 2]));
    else if (token.nesting === -1) settle(/** @type {Node} */ (open.pop()));
    else if (token.type === "inline") {
      parent.content = trimmed(token.content);
      parent.env = env;
      parent.key = parent.content.includes("[") ? key : "";
    } else if (token.type === "fence") add(parent, figure(token.content, languageOf(token.info)), token);
    else if (token.type === "code_block") add(parent, figure(token.content, "Code"), token);
    else if (token.type === "hr") add(parent, element("hr"), token);
  }
  return root.children;
}

/** Node for a whole text that is too long to be read as Markdown. @param {string} source */
export function plain(source) {
  return element("pre", ["class", "plain"], [element("code", [], [textNode(source)])]);
}

/** Read a node's inline Markdown into its children. @param {Node} node */
export function fill(node) {
  if (node.content !== null) node.children = inlines(inlineTokens(node.content, node.env));
}

/** The attributes of a list follow from what is in it. @param {Node} node */
export function settle(node) {
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
 * @param {any} token
 * @param {Node} parent
 * @param {Node} [grandparent]
 */
function opened(token, parent, grandparent) {
  if (token.type === "table_open") {
    const table = element("table");
    add(parent, element("div", ["class", "table"], [table]), token);
    return table;
  }
  const tag = token.type === "heading_open" ? HEADINGS[token.tag] : BLOCKS[token.type];
  const node = add(parent, element(tag, alignment(token)), token);
  if (tag === "ul" || tag === "ol") {
    node.list = { start: String(token.attrGet("start") ?? ""), loose: false, paragraphs: false };
  } else if (tag === "p" && grandparent?.list) {
    grandparent.list.paragraphs = true;
    grandparent.list.loose ||= !token.hidden;
  }
  return node;
}

/** @param {any} token of a cell: the parser says it by a style */
function alignment(token) {
  const side = /^text-align:(left|center|right)$/.exec(token.attrGet("style") ?? "")?.[1];
  return side ? ["class", `align-${side}`] : [];
}

/**
 * @param {string} code
 * @param {string} language
 */
function figure(code, language) {
  const button = element("button", ["type", "button", "data-copy-code", ""], [textNode("Copy")]);
  const caption = element("figcaption", [], [element("span", [], [textNode(language)]), button]);
  const body = element("code", [], code ? [textNode(code)] : []);
  return element("figure", ["class", "code"], [caption, element("pre", [], [body])]);
}
