// The client logic of the document that Sideline was commissioned from, unchanged, but without
// TypeScript's types. Its dependencies (React's state and refs, toasts, addresses, the token) are
// parameters. Do not improve it: it must work as it is.

const MAX_RETRIES = 5;
const RETRY_DELAY = 1000;

export const cameraStream = ({
  serverHostURL,
  WS_PORT,
  API_BASE_URL,
  token,
  setIsStreaming,
  setFrameData,
  toast,
  WebSocket = globalThis.WebSocket,
  fetch = globalThis.fetch,
  console = globalThis.console,
  wsRef = { current: null },
}) => {
  const startStreaming = (cameraId) => {
    const wsUrl = `ws://${serverHostURL}:${WS_PORT}/ws/stream/${cameraId}`;
    const ws = new WebSocket(wsUrl);

    ws.onopen = () => {
      console.log("WebSocket connected");
      setIsStreaming(true);
    };

    ws.onmessage = (event) => {
      const frameData = JSON.parse(event.data);

      // Update frame state for canvas rendering
      setFrameData(frameData);

      // Forward frame to backend for processing
      postFrameToBackend(frameData);
    };

    ws.onerror = (error) => {
      console.error("WebSocket error:", error);
      toast.error("Stream connection error");
    };

    ws.onclose = () => {
      console.log("WebSocket closed");
      setIsStreaming(false);
    };

    wsRef.current = ws;
  };

  const stopStreaming = () => {
    if (wsRef.current) {
      wsRef.current.close();
      wsRef.current = null;
    }
    setIsStreaming(false);
  };

  const postFrameToBackend = async (frameData) => {
    await fetch(`${API_BASE_URL}/api/v1/actions/actions/send`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${token}`,
        "Content-Type": "application/json"
      },
      body: JSON.stringify({
        streamName: "webcam",
        streamType: "frame",
        frame: frameData.frame,
        timestamp: frameData.timestamp,
        camera_id: frameData.camera_id
      })
    });
  };

  const connectWithRetry = async (cameraId, attempt = 0) => {
    try {
      startStreaming(cameraId);
    } catch (error) {
      if (attempt < MAX_RETRIES) {
        await new Promise(r => setTimeout(r, RETRY_DELAY * Math.pow(2, attempt)));
        return connectWithRetry(cameraId, attempt + 1);
      }
      throw error;
    }
  };

  return { startStreaming, stopStreaming, postFrameToBackend, connectWithRetry };
};

// The effect of `VideoCanvas`, run whenever frameData or showDetections change.
export const videoCanvas = ({ frameData, showDetections, canvasRef }) => {
  if (!frameData?.frame || !canvasRef.current) return;

  const canvas = canvasRef.current;
  const ctx = canvas.getContext("2d");

  // Decode and draw frame
  const img = new Image();
  img.onload = () => {
    canvas.width = img.width;
    canvas.height = img.height;
    ctx.drawImage(img, 0, 0);

    // Draw detection boxes
    if (showDetections && frameData.detections) {
      ctx.strokeStyle = "#00ff00";
      ctx.lineWidth = 2;

      for (const det of frameData.detections) {
        const [x, y, w, h] = det.bbox;
        ctx.strokeRect(x, y, w, h);
        ctx.fillStyle = "#00ff00";
        ctx.fillText(
          `${det.class} (${(det.confidence * 100).toFixed(0)}%)`,
          x, y - 5
        );
      }
    }
  };
  img.src = `data:image/jpeg;base64,${frameData.frame}`;
};
