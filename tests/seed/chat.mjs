// The chat logic of the document that Sideline was commissioned from, unchanged, but without
// TypeScript's types. Its dependencies (React's query client, addresses, the token, use-debounce) are
// parameters. Do not improve it: it must work as it is.

export const chatClient = ({
  API_BASE_URL,
  chatId,
  token,
  queryClient,
  toast,
  useDebouncedCallback,
  finalizeMessage,
  fetch = globalThis.fetch,
}) => {
  const updateMessageUI = useDebouncedCallback(
    (content) => {
      queryClient.setQueryData(["chat", chatId], (old) => ({
        ...old,
        messages: [
          ...old.messages.slice(0, -1),
          { role: "assistant", content }
        ]
      }));
    },
    50 // 50ms debounce
  );

  const sendMessage = async (prompt) => {
    // Before sending, add user message optimistically
    queryClient.setQueryData(["chat", chatId], (old) => ({
      ...old,
      messages: [
        ...old.messages,
        { role: "user", content: prompt },
        { role: "assistant", content: "" } // Placeholder
      ]
    }));

    const response = await fetch(`${API_BASE_URL}/chats/${chatId}/messages`, {
      method: "POST",
      headers: {
        Authorization: `Bearer ${token}`,
        "Content-Type": "application/json"
      },
      body: JSON.stringify({ prompt })
    });

    if (!response.ok) {
      throw new Error(`Stream error: ${response.status}`);
    }

    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    let accumulatedContent = "";

    while (true) {
      const { done, value } = await reader.read();

      // Handle aborted streams
      if (done && accumulatedContent === "") {
        toast.error("Response was empty");
      }
      if (done) break;

      const text = decoder.decode(value, { stream: true });
      const lines = text.split("\n");

      for (const line of lines) {
        if (!line.startsWith("data: ")) continue;

        try {
          const json = JSON.parse(line.slice(6));

          switch (json.type) {
            case "chunk":
              accumulatedContent += json.text;
              updateMessageUI(accumulatedContent);
              break;

            case "done":
              finalizeMessage(accumulatedContent);
              break;
          }
        } catch (e) {
          // Ignore malformed JSON
        }
      }
    }
  };

  return { sendMessage };
};

// The used parts of use-debounce and react-query.
export const surroundings = (chat) => {
  const kept = { chat, toasts: [], final: null, updates: 0 };
  return {
    kept,
    queryClient: {
      setQueryData(key, update) {
        kept.chat = update(kept.chat);
        kept.updates += 1;
      },
    },
    toast: { error: (text) => kept.toasts.push(text) },
    finalizeMessage: (content) => { kept.final = content; },
    useDebouncedCallback(call, ms) {
      let timer;
      return (...args) => {
        clearTimeout(timer);
        timer = setTimeout(() => call(...args), ms);
      };
    },
  };
};
