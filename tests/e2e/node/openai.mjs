// Drives OpenAI's SDK.
import OpenAI from "openai";
import { TOOL, TOOL_SAID, merged, serve } from "./jobs.mjs";

const TOOLS = [
  {
    type: "function",
    function: { name: TOOL.name, description: TOOL.description, parameters: TOOL.schema },
  },
];

const connect = (job) =>
  new OpenAI({ baseURL: `${job.base_url}/v1`, apiKey: job.key, maxRetries: 0 });

/** One call; gives the outcome and the message to send back. */
async function call(client, job, messages, fields = {}) {
  const body = { model: job.model, messages, max_tokens: job.max_tokens, ...fields };
  if (!job.stream) return read(await client.chat.completions.create(body));
  const stream = client.chat.completions.stream({
    ...body,
    stream_options: { include_usage: true },
  });
  const thoughts = [];
  stream.on("chunk", (chunk) => thoughts.push(chunk.choices[0]?.delta?.reasoning_content ?? ""));
  const completion = await stream.finalChatCompletion();
  // Of fields that it does not know, the SDK keeps the last delta.
  completion.choices[0].message.reasoning_content &&= thoughts.join("");
  return read(completion);
}

function read(completion) {
  const { message, finish_reason } = completion.choices[0];
  const outcome = {
    text: message.content ?? "",
    thinking: message.reasoning_content ?? "",
    calls: (message.tool_calls ?? []).map((one) => JSON.parse(one.function.arguments)),
    finish: finish_reason,
    input_tokens: completion.usage.prompt_tokens,
    output_tokens: completion.usage.completion_tokens,
  };
  return { outcome, message };
}

const user = (content) => ({ role: "user", content });

async function text(client, job) {
  return (await call(client, job, [user(job.text)])).outcome;
}

async function tools(client, job) {
  const asked = await call(client, job, [user(job.text)], { tools: TOOLS });
  const results = asked.message.tool_calls.map(({ id }) => ({
    role: "tool",
    tool_call_id: id,
    content: TOOL_SAID,
  }));
  const messages = [user(job.text), asked.message, ...results];
  const told = await call(client, job, messages, { tools: TOOLS });
  return merged(asked.outcome, told.outcome);
}

async function image(client, job) {
  const url = `data:image/png;base64,${job.image}`;
  const parts = [
    { type: "text", text: job.text },
    { type: "image_url", image_url: { url } },
  ];
  return (await call(client, job, [user(parts)])).outcome;
}

async function think(client, job) {
  const first = await call(client, job, [user(job.text)], { reasoning_effort: "low" });
  const messages = [user(job.text), first.message, user(job.text)];
  const second = await call(client, job, messages, { reasoning_effort: "low" });
  return merged(first.outcome, second.outcome);
}

async function leave(client, job) {
  const stream = await client.chat.completions.create({
    model: job.model,
    messages: [user(job.text)],
    max_tokens: job.max_tokens,
    stream: true,
  });
  let said = "";
  let count = 0;
  for await (const chunk of stream) {
    said += chunk.choices[0]?.delta?.content ?? "";
    count += 1;
    if (count === job.leave_after) break; // which aborts the request
  }
  return { text: said };
}

await serve(connect, { text, tools, image, think, leave });
