// Vercel's AI SDK, for servers of OpenAI's protocol: whole and streamed answers, usage, and what a model thinks.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const { BASE_URL, API_KEY, WHOLE, STREAM } = process.env;
const queqiao = createOpenAICompatible({ name: "queqiao", baseURL: BASE_URL, apiKey: API_KEY, includeUsage: true });
const model = queqiao("simulated");

const { text: whole } = await generateText({ model, prompt: WHOLE, maxRetries: 0 });
const pieces = [];
let thoughts = "";
const stream = streamText({ model, prompt: STREAM, maxRetries: 0 });
for await (const part of stream.fullStream) {
  if (part.type === "text-delta") pieces.push(part.text);
  if (part.type === "reasoning-delta") thoughts += part.text;
  if (part.type === "error") throw part.error;
}
const usage = await stream.usage;
console.log(
  JSON.stringify({
    whole,
    pieces,
    thoughts,
    completion_tokens: usage.outputTokens,
    reasoning_tokens: usage.outputTokenDetails?.reasoningTokens ?? usage.reasoningTokens,
  }),
);
