/** Fake timers, whose time passes only in `tick`. Those of `node:test` do not work in Node 18. */

let now = 0;
/** @type {{at: number, every: number, callback: () => void}[]} */
let pending = [];

/** Replace timers until the end of the test: `"setTimeout"`, `"setInterval"`. */
export function fakeTimers(t, ...names) {
  [now, pending] = [0, []];
  for (const name of names) {
    t.mock.method(globalThis, name, (callback, ms = 0) => {
      const timer = { at: now + ms, every: name === "setInterval" ? ms : 0, callback };
      pending.push(timer);
      return timer;
    });
    t.mock.method(globalThis, name.replace("set", "clear"), (timer) => {
      pending = pending.filter((one) => one !== timer);
    });
  }
}

/** Let `ms` pass: run what is due, in order. */
export function tick(ms) {
  const end = now + ms;
  for (;;) {
    const [next] = pending.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
    if (!next) break;
    now = next.at;
    if (next.every) next.at += next.every;
    else pending = pending.filter((one) => one !== next);
    next.callback();
  }
  now = end;
}
