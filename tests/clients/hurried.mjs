// Prints what the compiled TypeScript client yields, a line each, and how long it would pause:
// node hurried.mjs CLIENT WS URL TOKEN watch CAMERA | ask CHAT PROMPT
const [client, ws, url, token, method, ...more] = process.argv.slice(2);
const print = (found) => console.log(JSON.stringify(found));
globalThis.WebSocket ??= (await import(ws)).WebSocket;
const { Sideline, SidelineError } = await import(client);

const { setTimeout } = globalThis;
globalThis.setTimeout = (callback, ms, ...rest) => {
  const isClient = new Error().stack.split("\n")[2].includes(client);
  if (!isClient) return setTimeout(callback, ms, ...rest); // `fetch` and `ws` have theirs
  if (ms === 40_000) return setTimeout(callback, 5000, ...rest); // the time-out
  print({ pause: ms / 1000 });
  // Not 0: `fetch` has to notice that connections which it keeps were reset, too.
  return setTimeout(callback, Math.min(ms, 100), ...rest);
};

try {
  for await (const message of new Sideline(url, token)[method](...more)) {
    print(message.jpeg ? message.header : message);
  }
} catch (error) {
  if (!(error instanceof SidelineError)) throw error;
  print({ refused: error.status, sentence: error.message });
}
