/**
 * What a message is made of, before it is DOM.
 *
 * @typedef {import("./grammar.js").Env} Env
 * @typedef {{tag: string, attrs: string[], children: Node[], text: string, content: string | null,
 *            env: Env, key: string, line: number, list: List | null,
 *            dom: any}} Node
 *   `tag` is empty for text; `attrs` are names and values in turn; `content` is inline Markdown that
 *   becomes `children` when it is needed, and `key` is what else it depends on; `line` is where the
 *   block begins
 * @typedef {{start: string, loose: boolean, paragraphs: boolean}} List
 */

const NONE = {};

/**
 * @param {string} tag
 * @param {string[]} [attrs]
 * @param {Node[]} [children]
 * @returns {Node}
 */
export function element(tag, attrs = [], children = []) {
  return { tag, attrs, children, text: "", content: null, env: NONE, key: "", line: 0, list: null, dom: null };
}

/** @param {string} text @returns {Node} */
export function textNode(text) {
  return { tag: "", attrs: [], children: [], text, content: null, env: NONE, key: "", line: 0, list: null, dom: null };
}
