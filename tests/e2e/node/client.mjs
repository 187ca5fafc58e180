// The official Node client, unchanged: prints what it saw as one JSON document.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const ask = (content, more = {}) =>
  client.chat.completions.create({ model: "simulated", messages: [{ role: "user", content }], ...more });
const failure = async (promise) => {
  try {
    await promise;
    return "no error";
  } catch (error) {
    return { type: error.constructor.name, status: error.status, code: error.code };
  }
};

const models = [];
for await (const model of client.models.list()) models.push(model.id);

const whole = await ask("[[sim text=你好|世界]]");

const pieces = [];
let usage = null;
for await (const chunk of await ask("[[sim text=一|二|三 interval_ms=200]]", {
  stream: true,
  stream_options: { include_usage: true },
})) {
  if (chunk.choices[0]?.delta?.content) pieces.push(chunk.choices[0].delta.content);
  if (chunk.usage) usage = chunk.usage;
}

const stranger = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "sk-wrong", maxRetries: 0 });
const busy = [];
const errors = {
  401: await failure(stranger.models.list()),
  403: await failure(ask("鹊桥违禁词示例")),
  404: await failure(ask("hi", { model: "gpt-0" })),
  400: await failure(ask("hi", { max_tokens: -1 })),
  429: await failure(
    (async () => {
      for (let n = 0; n < 60; n += 1)
        busy.push(await ask("[[sim deltas=100 interval_ms=200]]", { stream: true, max_tokens: 100 }));
    })(),
  ),
};
for (const stream of busy) stream.controller.abort();

const poor = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.POOR_API_KEY, maxRetries: 0 });
errors[402] = await failure(
  poor.chat.completions.create({ model: "simulated", messages: [{ role: "user", content: "hi" }] }),
);

console.log(JSON.stringify({ models, answer: whole.choices[0].message.content, pieces, usage, errors }));
