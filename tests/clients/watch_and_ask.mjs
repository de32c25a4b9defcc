// Uses the compiled TypeScript client: node watch_and_ask.mjs CLIENT WS URL USERNAME PASSWORD
const [client, ws, url, username, password] = process.argv.slice(2);
globalThis.WebSocket ??= (await import(ws)).WebSocket;
const { Sideline, SidelineError } = await import(client);

const found = { cameras: [], messages: [], pictures: [], events: [], refused: "" };
await Sideline.signIn(url, username, "wrong").catch((error) => {
  if (error instanceof SidelineError) found.refused = error.message;
});
const club = await Sideline.signIn(url, username, password);
for await (const camera of club.cameras()) found.cameras.push(camera.name);
for await (const camera of club.cameras()) {
  for await (const message of club.watch(camera.id, { width: 320 })) {
    if (message.jpeg) found.pictures.push([message.header.width, [...message.jpeg.slice(0, 2)]]);
    else found.messages.push(message.type);
    if (found.pictures.length === 5) break;
  }
  break;
}
const chat = await club.newChat();
for await (const event of club.ask(chat.id, "Hello?")) found.events.push(event.type);
found.answer = await club.answer("Hello?");
await club.signOut();
console.log(JSON.stringify(found));
