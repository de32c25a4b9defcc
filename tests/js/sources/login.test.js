import assert from "node:assert/strict";
import { test } from "node:test";

import { describe } from "../../../static/js/sources/find-cameras.js";
import { splitLogin } from "../../../static/js/sources/login.js";

test("a login within an address moves out of it, decoded", () => {
  assert.deepEqual(splitLogin(" rtsp://a%3Ab:p%40ss:w@192.0.2.7/a?b=c@d "), {
    address: "rtsp://192.0.2.7/a?b=c@d",
    user: "a:b",
    password: "p@ss:w",
  });
  assert.deepEqual(splitLogin("http://me@h/"), { address: "http://h/", user: "me", password: "" });
});

test("an address without a login, or one that cannot be decoded, stays as it is", () => {
  for (const text of ["", "0", "rtsp://192.0.2.7/a@b", "rtsp://h?x@y", "rtsp://50%:x@h/", "games/a@b.mp4"]) {
    assert.equal(splitLogin(text), null, text);
  }
});

test("a stream is described by what the camera told", () => {
  const stream = { kind: "rtsp", address: "", name: "", codec: "H.264", width: 0, height: 0, fps: 15 };
  assert.equal(describe(stream), "H.264, 15 fps");
  assert.equal(describe({ ...stream, width: 640, height: 360, fps: 0 }), "H.264, 640×360");
});
