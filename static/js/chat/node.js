/**
 * A virtual DOM node of a rendered message.
 *
 * @typedef {import("./parser.js").Env} Env
 * @typedef {{tag: string, attrs: string[], children: Node[], text: string, content: string | null,
 *            env: Env, key: string, line: number, list: List | null,
 *            dom: any}} Node
 *   `tag`: empty for text; `attrs`: names and values in turn; `content`: inline Markdown that is parsed
 *   into `children` on demand, `key`: the link definitions that it depends on; `line`: first line of the
 *   block in its source; `list`: only of `ol` and `ul`; `dom`: the element or text node, once created
 * @typedef {{start: string, loose: boolean, paragraphs: boolean}} List
 *   `start`: first number, if not 1; `loose`: blank lines separate items; `paragraphs`: items have some
 */

const NO_DEFINITIONS = {};

/**
 * @param {string} tag
 * @param {string[]} [attrs]
 * @param {Node[]} [children]
 * @returns {Node}
 */
export function element(tag, attrs = [], children = []) {
  const env = NO_DEFINITIONS;
  return { tag, attrs, children, text: "", content: null, env, key: "", line: 0, list: null, dom: null };
}

/** @param {string} text @returns {Node} */
export function textNode(text) {
  const env = NO_DEFINITIONS; // spelled out: there is one for every piece of text
  return { tag: "", attrs: [], children: [], text, content: null, env, key: "", line: 0, list: null, dom: null };
}
