// Runs the seed's client in Node: `node watch.mjs '{"host", "port", "camera", "token"}'`.
// Prints a line of JSON for each event, until the socket closes or the process is terminated.
import { cameraStream } from "./client.mjs";
import { WebSocket } from "./websocket.mjs";

const { host, port, camera, token } = JSON.parse(process.argv[2]);
const say = (event, more = {}) => process.stdout.write(JSON.stringify({ event, ...more }) + "\n");

class Watched extends WebSocket {
  constructor(url) {
    super(url);
    this.addEventListener("error", ({ message }) => say("error", { message }));
    this.addEventListener("close", ({ code }) => say("close", { code }));
  }
}

const answered = async (...request) => {
  const response = await fetch(...request);
  const { camera_id, timestamp } = JSON.parse(request[1].body);
  say("sent", { status: response.status, body: await response.json(), camera_id, timestamp });
  return response;
};

const { connectWithRetry } = cameraStream({
  serverHostURL: host,
  WS_PORT: port,
  API_BASE_URL: `http://${host}:${port}`,
  token,
  setIsStreaming: (streaming) => say("streaming", { streaming }),
  setFrameData: (frame) => say("frame", { frame }),
  toast: { error: (text) => say("toast", { text }) },
  WebSocket: Watched,
  fetch: answered,
  console: { log() {}, error() {} },
});
await connectWithRetry(camera);
