import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Page } from "./dom.js";
import { MAX_LENGTH, MAX_MARKUP } from "../../../static/js/chat/parser.js";
import { IncrementalMarkdown } from "../../../static/js/chat/markdown.js";

/** @type {{name: string, text: string, html: string}[]} with the server's HTML of each */
const corpus = JSON.parse(readFileSync(new URL("../../chats/markdown_corpus.json", import.meta.url), "utf8"));

function create() {
  const page = new Page();
  const root = page.createElement("div");
  return { page, root, markdown: new IncrementalMarkdown(root) };
}

/** @param {string} text */
function renderWhole(text) {
  const { root, markdown } = create();
  markdown.show(text, { final: true });
  return root.inner;
}

/** A seeded random generator: the same numbers in every run. @param {number} seed */
function seededRandom(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

for (const { name, text, html } of corpus) {
  test(`the page shows what the server renders: ${name}`, () => {
    assert.equal(renderWhole(text), html);
  });
}

test("no sample of the corpus renders anything that could load or run", () => {
  for (const { text } of corpus) {
    const html = renderWhole(text);
    assert.doesNotMatch(html, /<(?!\/?(?:a|blockquote|br|button|code|div|em|figcaption|figure|h[3-6]|hr|li|ol|p|pre|s|span|strong|table|tbody|td|th|thead|tr|ul)[ >])/);
    for (const [, href] of html.matchAll(/href="([^"]*)"/g)) assert.match(href, /^(?:https?:\/\/|mailto:|\/(?!\/))/i);
  }
});

test("a text that grows letter by letter is always rendered as the whole text so far", () => {
  for (const { name, text, html } of corpus) {
    const { root, markdown } = create();
    const hasDefinitions = text.includes("]:"); // may change earlier blocks, at the end
    for (let end = 0; end <= text.length; end += 1) {
      markdown.show(text.slice(0, end));
      if (!hasDefinitions) assert.equal(root.inner, renderWhole(text.slice(0, end)), `${name}: ${end}`);
    }
    markdown.show(text, { final: true });
    assert.equal(root.inner, html, name);
  }
});

/** Pieces of random texts; no link definitions, because their uses change only at the end. */
const PIECES = [
  "A **word** and [a link](https://example.org/x).\n", "plain\n", "\n", "\n\n", "- item *b*\n", "  - inner\n",
  "    1. deep\n", "- loose\n\n  second\n", "1. one\n", "2. two\n\n", "> quote\n", "> > more\n", "```js\nlet a;\n", "```\n",
  "| a | b |\n|---|--:|\n", "| c | `d` |\n", "# Head\n", "===\n", "---\n", "* * *\n", "    code\n", "\t", "  ", "-", "1", "*",
  "+ plus\n", "3) paren\n", "a  \nb\n", "|", "~~x~~ ", "`", "\\\n", "- ```\n  x\n  ```\n", "-\n", "  text\n", "      six\n",
];

test("each update renders the same as the whole text so far", () => {
  for (let seed = 1; seed <= 150; seed += 1) {
    const random = seededRandom(seed);
    const { root, markdown } = create();
    let text = "";
    for (let step = 0; step < 60; step += 1) {
      const piece = PIECES[Math.floor(random() * PIECES.length)];
      text += random() < 0.3 ? piece.slice(0, Math.ceil(random() * piece.length)) : piece;
      markdown.show(text);
      assert.equal(root.inner, renderWhole(text), JSON.stringify(text));
    }
  }
});

test("each update of a long list or table renders the same as the whole text so far", () => {
  const kinds = [
    ["- item *b*\n", "- item\n\n", "- with\n  - inner\n", "- lazy\nline\n", "-\n", "- ```\n  x\n\n  ```\n", "- a\n\n  b\n"],
    ["1. one `x`\n", "7. seven\n   - in\n", "2. two\n\n"],
    ["| c | *d* |\n", "| only one\n", "c | d | too many |\n", "text is a row\n"],
    ["-\n", "- # head\n", " - one\n", "  - two\n", "   - three\n", "- > quote\n", "\n", "- a\n", "- | a |\n  |---|\n  | b |\n"],
    ["3.\n", "0. # head\n", " 10. ten\n", "   4. four\n", "\n", "1. a\n", "1) other\n"],
  ];
  for (let seed = 1; seed <= 120; seed += 1) {
    const random = seededRandom(seed);
    const kind = kinds[seed % kinds.length];
    const { root, markdown } = create();
    let text = seed % kinds.length === 2 ? "Before\n\n| a | b |\n|---|:-:|\n" : "Before\n\n";
    const wild = seed % 2 ? 0.02 : 0;
    for (let step = 0; step < 60; step += 1) {
      const piece = random() < wild ? PIECES[Math.floor(random() * PIECES.length)] : kind[Math.floor(random() ** 3 * kind.length)];
      text += random() < 0.2 ? piece.slice(0, Math.ceil(random() * piece.length)) : piece;
      markdown.show(text);
      assert.equal(root.inner, renderWhole(text), JSON.stringify(text.slice(-200)));
    }
  }
});

test("each update of a long code block renders the same as the whole text so far", () => {
  const long = "let b = '<b>';".repeat(60);
  const lines = [`${long}\n`, `  ${long}\n`, `\t${long}\n`, "\n", "\n\n", " short\n", "``\n", "~~~\n", "    ```\n", "- item\n"];
  for (let seed = 1; seed <= 60; seed += 1) {
    const random = seededRandom(seed);
    const { root, markdown } = create();
    const mark = seed % 2 ? "```" : "~~~~";
    const indent = " ".repeat(seed % 4);
    let text = `${["", "Before\n\n", "[a]: /b\n\n"][seed % 3]}${indent}${mark}js\n`;
    for (let step = 0; step < 40; step += 1) {
      const closing = `${indent}${mark}\n${["", "\n", "after\n", `${mark}\n`][step % 4]}`;
      const piece = random() < 0.06 ? closing : lines[Math.floor(random() * lines.length)];
      text += random() < 0.3 ? piece.slice(0, Math.ceil(random() * piece.length)) : piece;
      markdown.show(text);
      assert.equal(root.inner, renderWhole(text), JSON.stringify(text.slice(-200)));
    }
    markdown.show(text, { final: true });
    assert.equal(root.inner, renderWhole(text));
  }
});

test("finished blocks are not created again", () => {
  const { page, root, markdown } = create();
  const blocks = "A **word**.\n\n- one\n- two\n\n```js\nlet a;\n```\n\n";
  markdown.show(blocks.repeat(20));
  const first = root.childNodes.slice(0, -1);
  const before = page.created;
  for (let more = 1; more <= 20; more += 1) markdown.show(blocks.repeat(20) + "word ".repeat(more));
  assert.ok(first.every((child, at) => child === root.childNodes[at]));
  assert.ok(page.created - before < 5, `${page.created - before} nodes were created for one growing paragraph`);
});

test("finished items and rows are not created again", () => {
  for (const [start, item] of [["", "- an *item*\n"], ["", "2. an *item*\n\n"], ["| a |\n|---|\n", "| *c* |\n"]]) {
    const { page, root, markdown } = create();
    markdown.show(start + item.repeat(100));
    const before = page.created;
    for (let more = 1; more <= 20; more += 1) markdown.show(start + item.repeat(100 + more));
    assert.equal(root.inner, renderWhole(start + item.repeat(120)));
    assert.ok(page.created - before <= 20 * 6, `${page.created - before} nodes were created for 20 items`);
  }
});

test("a button that says that the code was copied stays as it is", () => {
  const { root, markdown } = create();
  markdown.show("```js\nlet a;\n");
  root.firstChild.firstChild.lastChild.firstChild.data = "Copied";
  markdown.show("```js\nlet a;\nlet b;\n```\n", { final: true });
  assert.match(root.inner, />Copied<.*let b;/s);
});

test("a growing code block creates no nodes", () => {
  const { page, markdown } = create();
  markdown.show("```js\nlet a;\n");
  const before = page.created;
  for (let lines = 1; lines < 50; lines += 1) markdown.show("```js\nlet a;\n" + "let b;\n".repeat(lines));
  assert.equal(page.created, before);
});

test("a late link definition takes effect at the end", () => {
  const { root, markdown } = create();
  const text = "See [it].\n\nMore.\n\nStill more.\n\n[it]: /it\n";
  markdown.show(text.slice(0, 30));
  markdown.show(text);
  assert.match(root.inner, /See \[it\]/);
  markdown.show(text, { final: true });
  assert.match(root.inner, /See <a href="\/it"/);
});

test("link definitions between blocks count as none of them", () => {
  const { root, markdown } = create();
  const text = "[r]: /r\n# One\n\n    two\n[s]: /s\n* * *\n\nThree [r], [s].\n\n[t]: /t\n\n- four [t]\n\nFive";
  for (let end = 0; end <= text.length; end += 1) {
    markdown.show(text.slice(0, end));
    assert.equal(root.inner, renderWhole(text.slice(0, end)), `${end}`);
  }
});

test("a text that does not continue the former one restarts", () => {
  const { root, markdown } = create();
  markdown.show("# Old\n\nwords\n\n- and\n- a list\n\nend");
  markdown.show("");
  assert.equal(root.inner, "");
  markdown.show("# Old\n\nother");
  markdown.show("New");
  assert.equal(root.inner, "<p>New</p>");
});

test("the former content of the element is replaced", () => {
  const { page, root, markdown } = create();
  root.append(page.createElement("p"));
  markdown.show("a");
  assert.equal(root.inner, "<p>a</p>");
});

test("a text with too much markup is shown as plain text", () => {
  const { root, markdown } = create();
  for (const [piece, weight] of /** @type {[string, number][]} */ ([["[", 8], ["a\r\n", 4], ["*", 1], ["\\\\", 2]])) {
    const text = piece.repeat(MAX_MARKUP / weight);
    markdown.show("");
    markdown.show(text);
    assert.ok(!root.inner.startsWith('<pre class="plain">'), piece);
    markdown.show(`${text}|`);
    assert.ok(root.inner.startsWith('<pre class="plain">'), piece);
  }
  markdown.show("*a*");
  assert.equal(root.inner, "<p><em>a</em></p>");
});

test("a text that is too long is shown as plain text", () => {
  const { root, markdown } = create();
  const text = "*a* <b>\r\n".repeat(MAX_LENGTH / 8);
  markdown.show(text);
  assert.equal(root.inner, `<pre class="plain"><code>${"*a* &lt;b&gt;\n".repeat(MAX_LENGTH / 8)}</code></pre>`);
  markdown.show("*a*");
  assert.equal(root.inner, "<p><em>a</em></p>");
});
