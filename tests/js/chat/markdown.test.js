import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Page } from "./dom.js";
import { MOST } from "../../../static/js/chat/grammar.js";
import { IncrementalMarkdown } from "../../../static/js/chat/markdown.js";

/** @type {{name: string, text: string, html: string}[]} what the server makes of each */
const corpus = JSON.parse(readFileSync(new URL("../../chats/markdown_corpus.json", import.meta.url), "utf8"));

function shown() {
  const page = new Page();
  const root = page.createElement("div");
  return { page, root, markdown: new IncrementalMarkdown(root) };
}

/** @param {string} text */
function whole(text) {
  const { root, markdown } = shown();
  markdown.show(text, { final: true });
  return root.inner;
}

/** Repeatable chance: the same numbers in every run. @param {number} seed */
function chance(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

for (const { name, text, html } of corpus) {
  test(`the page shows what the server renders: ${name}`, () => {
    assert.equal(whole(text), html);
  });
}

test("no sample of the corpus makes anything that could load or run", () => {
  for (const { text } of corpus) {
    const html = whole(text);
    assert.doesNotMatch(html, /<(?!\/?(?:a|blockquote|br|button|code|div|em|figcaption|figure|h[3-6]|hr|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul)[ >])/);
    for (const [, href] of html.matchAll(/href="([^"]*)"/g)) assert.match(href, /^(?:https?:\/\/|mailto:|\/(?!\/))/i);
  }
});

test("a text that grows letter by letter ends as the whole text", () => {
  for (const { name, text, html } of corpus) {
    const { root, markdown } = shown();
    for (let end = 0; end <= text.length; end += 1) markdown.show(text.slice(0, end));
    markdown.show(text, { final: true });
    assert.equal(root.inner, html, name);
  }
});

/** Pieces of which long answers are made; no link definitions, whose uses wait for the end. */
const PIECES = [
  "A **word** and [a link](https://example.org/x).\n", "plain\n", "\n", "\n\n", "- item *b*\n", "  - inner\n",
  "    1. deep\n", "- loose\n\n  second\n", "1. one\n", "2. two\n\n", "> quote\n", "> > more\n", "```js\nlet a;\n", "```\n",
  "| a | b |\n|---|--:|\n", "| c | `d` |\n", "# Head\n", "===\n", "---\n", "* * *\n", "    code\n", "\t", "  ", "-", "1", "*",
  "+ plus\n", "3) paren\n", "a  \nb\n", "|", "~~x~~ ", "`", "\\\n", "- ```\n  x\n  ```\n", "-\n", "  text\n", "      six\n",
];

test("at every moment it shows what the whole text so far would show", () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = chance(seed);
    const { root, markdown } = shown();
    let text = "";
    for (let step = 0; step < 60; step += 1) {
      const piece = PIECES[Math.floor(random() * PIECES.length)];
      text += random() < 0.3 ? piece.slice(0, Math.ceil(random() * piece.length)) : piece;
      markdown.show(text);
      assert.equal(root.inner, whole(text), JSON.stringify(text));
    }
  }
});

test("long lists and tables too, though their older parts are not read again", () => {
  const kinds = [
    ["- item *b*\n", "- item\n\n", "- with\n  - inner\n", "- lazy\nline\n", "-\n", "- ```\n  x\n\n  ```\n", "- a\n\n  b\n"],
    ["1. one `x`\n", "7. seven\n   - in\n", "2. two\n\n"],
    ["| c | *d* |\n", "| only one\n", "c | d | too many |\n", "text is a row\n"],
  ];
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = chance(seed);
    const kind = kinds[seed % kinds.length];
    const { root, markdown } = shown();
    let text = seed % 3 === 2 ? "Before\n\n| a | b |\n|---|:-:|\n" : "Before\n\n";
    const wild = seed % 2 ? 0.02 : 0;
    for (let step = 0; step < 130; step += 1) {
      const piece = random() < wild ? PIECES[Math.floor(random() * PIECES.length)] : kind[Math.floor(random() ** 3 * kind.length)];
      text += random() < 0.2 ? piece.slice(0, Math.ceil(random() * piece.length)) : piece;
      markdown.show(text);
      assert.equal(root.inner, whole(text), JSON.stringify(text.slice(-200)));
    }
  }
});

test("finished blocks are not made again", () => {
  const { page, root, markdown } = shown();
  const blocks = "A **word**.\n\n- one\n- two\n\n```js\nlet a;\n```\n\n";
  markdown.show(blocks.repeat(20));
  const first = root.childNodes.slice(0, -1);
  const made = page.made;
  for (let more = 1; more <= 20; more += 1) markdown.show(blocks.repeat(20) + "word ".repeat(more));
  assert.ok(first.every((child, at) => child === root.childNodes[at]));
  assert.ok(page.made - made < 5, `${page.made - made} nodes were made for one growing paragraph`);
});

test("an open code block only grows", () => {
  const { page, markdown } = shown();
  markdown.show("```js\nlet a;\n");
  const made = page.made;
  for (let lines = 1; lines < 50; lines += 1) markdown.show("```js\nlet a;\n" + "let b;\n".repeat(lines));
  assert.equal(page.made, made);
});

test("a definition that comes late is heard at the end", () => {
  const { root, markdown } = shown();
  const text = "See [it].\n\nMore.\n\nStill more.\n\n[it]: /it\n";
  markdown.show(text.slice(0, 30));
  markdown.show(text);
  assert.match(root.inner, /See \[it\]/);
  markdown.show(text, { final: true });
  assert.match(root.inner, /See <a href="\/it"/);
});

test("after a reset another text starts over", () => {
  const { root, markdown } = shown();
  markdown.show("# Old\n\nwords\n\n- and\n- a list\n\nend");
  markdown.show("");
  assert.equal(root.inner, "");
  markdown.show("# Old\n\nother");
  markdown.show("New");
  assert.equal(root.inner, "<p>New</p>");
});

test("what was in the element before gives way", () => {
  const { page, root, markdown } = shown();
  root.append(page.createElement("p"));
  markdown.show("a");
  assert.equal(root.inner, "<p>a</p>");
});

test("a text that is too long is shown as it is", () => {
  const { root, markdown } = shown();
  const text = "*a* <b>\r\n".repeat(MOST / 8);
  markdown.show(text);
  assert.equal(root.inner, `<pre class="plain"><code>${"*a* &lt;b&gt;\n".repeat(MOST / 8)}</code></pre>`);
  markdown.show("*a*");
  assert.equal(root.inner, "<p><em>a</em></p>");
});
