// Runs the seed's chat client in Node: `node ask.mjs '{"base", "read", "chat", "token", "prompt"}'`.
// Prints the result as one line of JSON. `reader` is another token to read the chat with.
import { chatClient, surroundings } from "./chat.mjs";

const { base, read, chat, token, prompt, reader = token } = JSON.parse(process.argv[2]);
const headers = { Authorization: `Bearer ${reader}` };
const around = surroundings(await (await fetch(`${read}/${chat}`, { headers })).json());
const { sendMessage } = chatClient({ API_BASE_URL: base, chatId: chat, token, ...around });
let error = null;
try {
  await sendMessage(prompt);
} catch (fault) {
  error = fault.message;
}
await new Promise((resolve) => setTimeout(resolve, 100)); // the debounced update
console.log(JSON.stringify({ ...around.kept, error }));
