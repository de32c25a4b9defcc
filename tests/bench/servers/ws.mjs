// node's `ws`: FOLDER-OF-node_modules PORT TICKS json|binary PICTURE WIDTH HEIGHT.
// A viewer that still has bytes waiting misses the frame.
import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [folder, port, ticks, form, picture, width, height] = process.argv.slice(2);
const { WebSocketServer } = createRequire(`${folder}/`)("ws");
const binary = form === "binary";
const jpeg = readFileSync(picture);
const viewers = new Map();
let seq = 0;

function message(tick) {
  jpeg.write(tick.slice(0, 16), 6, "latin1");
  const camera = Number.parseInt(tick.slice(16), 16);
  const timestamp = Date.now();
  if (!binary) {
    const frame = jpeg.toString("base64");
    return Buffer.from(`{"frame":"${frame}","timestamp":${timestamp},"camera_id":"${camera}"}`);
  }
  seq += 1;
  const head = Buffer.from(
    `{"timestamp":${timestamp},"seq":${seq},"width":${width},"height":${height},` +
      `"camera_id":"${camera}","age_ms":0}`,
  );
  const length = Buffer.alloc(4);
  length.writeUInt32BE(head.length);
  return Buffer.concat([length, head, jpeg]);
}

const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  backlog: 1024,
  perMessageDeflate: false,
});
server.on("connection", (socket, request) => {
  const camera = Number(request.url.split("/").pop());
  if (!viewers.has(camera)) viewers.set(camera, new Set());
  viewers.get(camera).add(socket);
  socket.on("message", () => {}); // acknowledgements
  socket.on("close", () => viewers.get(camera).delete(socket));
});

const clock = createSocket("udp4");
clock.on("message", (datagram) => {
  const tick = datagram.toString("latin1");
  const watching = viewers.get(Number.parseInt(tick.slice(16), 16));
  if (!watching) return;
  const data = message(tick);
  for (const socket of watching) {
    if (socket.bufferedAmount === 0) socket.send(data, { binary });
  }
});
clock.bind(Number(ticks), "127.0.0.1");
