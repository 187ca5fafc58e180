// OpenAI's client: a tool that is called and its result told, an answer by a schema, an image.
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

const { BASE_URL, API_KEY, TOOL, OBJECT, LOOK, IMAGE } = process.env;
const client = new OpenAI({ baseURL: BASE_URL, apiKey: API_KEY, maxRetries: 0 });
const model = "simulated";
const user = (content) => [{ role: "user", content }];

let called = "";
const runner = client.chat.completions.runTools({
  model,
  messages: user(TOOL),
  tools: [
    {
      type: "function",
      function: {
        name: "weather",
        parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
        parse: JSON.parse,
        function: ({ city }) => {
          called = "weather";
          return `晴 in ${city}`;
        },
      },
    },
  ],
});
const answer = await runner.finalContent();

const report = z.object({ city: z.string(), degrees: z.number().int() });
const parsed = await client.chat.completions.parse({
  model,
  messages: user(OBJECT),
  response_format: zodResponseFormat(report, "report"),
});

const seen = await client.chat.completions.create({
  model,
  messages: user([
    { type: "text", text: LOOK },
    { type: "image_url", image_url: { url: IMAGE } },
  ]),
});
console.log(
  JSON.stringify({
    called,
    answer,
    object: parsed.choices[0].message.parsed,
    seen: seen.choices[0].message.content,
  }),
);
