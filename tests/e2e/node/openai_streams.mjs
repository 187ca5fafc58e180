// OpenAI's client: whole and streamed answers, usage, and what a model thinks.
import OpenAI from "openai";

const { BASE_URL, API_KEY, WHOLE, STREAM } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const ask = (content, more = {}) =>
  client.chat.completions.create({ model: "simulated", messages: [{ role: "user", content }], ...more });

const whole = (await ask(WHOLE)).choices[0].message.content;
const pieces = [];
let thoughts = "";
let usage = null;
for await (const chunk of await ask(STREAM, { stream: true, stream_options: { include_usage: true } })) {
  const delta = chunk.choices[0]?.delta ?? {};
  if (delta.content) pieces.push(delta.content);
  thoughts += delta.reasoning_content ?? "";
  usage = chunk.usage ?? usage;
}
console.log(
  JSON.stringify({
    whole,
    pieces,
    thoughts,
    completion_tokens: usage.completion_tokens,
    reasoning_tokens: usage.completion_tokens_details.reasoning_tokens,
  }),
);
