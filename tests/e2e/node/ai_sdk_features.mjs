// Vercel's AI SDK, with its provider for OpenAI: a tool that is called and its result told, an answer by a schema, an image.
import { createOpenAI } from "@ai-sdk/openai";
import { Output, generateText, stepCountIs, tool } from "ai";
import { z } from "zod";

const { BASE_URL, API_KEY, TOOL, OBJECT, LOOK, IMAGE } = process.env;
const model = createOpenAI({ baseURL: BASE_URL, apiKey: API_KEY }).chat("simulated");

let called = "";
const weather = tool({
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => {
    called = "weather";
    return `晴 in ${city}`;
  },
});
const { text: answer } = await generateText({
  model,
  prompt: TOOL,
  tools: { weather },
  stopWhen: stepCountIs(3),
  maxRetries: 0,
});

const schema = z.object({ city: z.string(), degrees: z.number().int() });
const { output: object } = await generateText({
  model,
  prompt: OBJECT,
  output: Output.object({ schema }),
  maxRetries: 0,
});

const { text: seen } = await generateText({
  model,
  messages: [
    {
      role: "user",
      content: [
        { type: "text", text: LOOK },
        { type: "image", image: IMAGE },
      ],
    },
  ],
  maxRetries: 0,
});
console.log(JSON.stringify({ called, answer, object, seen }));
