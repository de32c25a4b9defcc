import assert from "node:assert/strict";
import { test } from "node:test";

import { forgetPicture, keptPicture, store } from "../../../static/js/masks/kept-picture.js";

/** @returns {any} the part of `Storage` that is used */
function storage() {
  const entries = new Map();
  return {
    entries,
    getItem: (key) => entries.get(key) ?? null,
    setItem: (key, value) => entries.set(key, value),
    removeItem: (key) => entries.delete(key),
  };
}

test("a picture is kept for its camera, until it is forgotten", () => {
  const tab = storage();
  store(tab, "one", "data:image/jpeg;base64,AAAA", 1000);
  assert.equal(keptPicture(tab, "one", 2000), "data:image/jpeg;base64,AAAA");
  assert.equal(keptPicture(tab, "two", 2000), null);
  forgetPicture(tab, "one");
  assert.equal(keptPicture(tab, "one", 2000), null);
});

test("a picture is not kept for more than two minutes, nor after the clock was set back", () => {
  for (const now of [121_001, -121_000]) {
    const tab = storage();
    store(tab, "one", "data:image/jpeg;base64,AAAA", 1000);
    assert.equal(keptPicture(tab, "one", now), null);
    assert.equal(tab.entries.size, 0);
  }
});

test("a full storage is no error", (t) => {
  t.mock.method(console, "error", () => {});
  const full = { ...storage(), setItem: () => { throw new Error("full"); } };
  store(full, "one", "data:image/jpeg;base64,AAAA", 1000);
  assert.equal(keptPicture(full, "one", 2000), null);
});
