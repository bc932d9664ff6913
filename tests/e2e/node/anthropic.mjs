// Drives Anthropic's SDK.
import Anthropic from "@anthropic-ai/sdk";
import { TOOL, TOOL_SAID, merged, serve } from "./jobs.mjs";

const TOOLS = [{ name: TOOL.name, description: TOOL.description, input_schema: TOOL.schema }];
const THINKING = { thinking: { type: "enabled", budget_tokens: 1024 } };

// With a timeout of its own it leaves it to the server to judge `max_tokens`.
const OPTIONS = { maxRetries: 0, timeout: 30_000 };
const connect = (job) => new Anthropic({ baseURL: job.base_url, apiKey: job.key, ...OPTIONS });

/** One call; gives the outcome and the message to send back. */
async function call(client, job, messages, fields = {}) {
  const body = { model: job.model, messages, max_tokens: job.max_tokens, ...fields };
  if (!job.stream) return read(await client.messages.create(body));
  return read(await client.messages.stream(body).finalMessage());
}

function read(message) {
  const of = (type, field) =>
    message.content.filter((block) => block.type === type).map((block) => block[field]);
  const { usage } = message;
  const cached = (usage.cache_creation_input_tokens ?? 0) + (usage.cache_read_input_tokens ?? 0);
  const outcome = {
    text: of("text", "text").join(""),
    thinking: of("thinking", "thinking").join(""),
    calls: of("tool_use", "input"),
    finish: message.stop_reason,
    input_tokens: usage.input_tokens + cached,
    output_tokens: usage.output_tokens,
  };
  return { outcome, message: { role: "assistant", content: message.content } };
}

const user = (content) => ({ role: "user", content });

async function text(client, job) {
  return (await call(client, job, [user(job.text)])).outcome;
}

async function tools(client, job) {
  const asked = await call(client, job, [user(job.text)], { tools: TOOLS });
  const results = asked.message.content
    .filter((block) => block.type === "tool_use")
    .map(({ id }) => ({ type: "tool_result", tool_use_id: id, content: TOOL_SAID }));
  const messages = [user(job.text), asked.message, user(results)];
  const told = await call(client, job, messages, { tools: TOOLS });
  return merged(asked.outcome, told.outcome);
}

async function image(client, job) {
  const source = { type: "base64", media_type: "image/png", data: job.image };
  const blocks = [
    { type: "image", source },
    { type: "text", text: job.text },
  ];
  return (await call(client, job, [user(blocks)])).outcome;
}

async function think(client, job) {
  const first = await call(client, job, [user(job.text)], THINKING);
  const messages = [user(job.text), first.message, user(job.text)];
  const second = await call(client, job, messages, THINKING);
  return merged(first.outcome, second.outcome);
}

async function leave(client, job) {
  const stream = await client.messages.create({
    model: job.model,
    messages: [user(job.text)],
    max_tokens: job.max_tokens,
    stream: true,
  });
  let said = "";
  let count = 0;
  for await (const event of stream) {
    if (event.type !== "content_block_delta") continue;
    said += event.delta.text ?? "";
    count += 1;
    if (count === job.leave_after) break; // which aborts the request
  }
  return { text: said };
}

await serve(connect, { text, tools, image, think, leave });
