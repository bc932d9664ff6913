// Drives the AI SDK with the provider that the first argument names.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { TOOL, TOOL_SAID, merged, serve } from "./jobs.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false;

const at = (job) => ({ baseURL: `${job.base_url}/v1`, apiKey: job.key });
// Nothing is stored, so what a response thought comes sealed, and goes back so.
const SEALED = { store: false, include: ["reasoning.encrypted_content"] };
const PROVIDERS = {
  chat: {
    connect: (job) => createOpenAI(at(job)).chat(job.model),
    thinking: { openai: { reasoningEffort: "low" } },
  },
  responses: {
    connect: (job) => createOpenAI(at(job)).responses(job.model),
    options: { openai: SEALED },
    thinking: {
      openai: { ...SEALED, forceReasoning: true, reasoningEffort: "low", reasoningSummary: "auto" },
    },
  },
  messages: {
    connect: (job) => createAnthropic(at(job))(job.model),
    thinking: { anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } } },
  },
};
const provider = PROVIDERS[process.argv[2]];
const TOOLS = {
  [TOOL.name]: tool({
    description: TOOL.description,
    inputSchema: jsonSchema(TOOL.schema),
    execute: async () => TOOL_SAID,
  }),
};

function settings(model, job, messages, fields) {
  return {
    model,
    messages,
    maxOutputTokens: job.max_tokens,
    maxRetries: 0,
    providerOptions: provider.options,
    ...fields,
  };
}

/** One call, tools and all; gives the outcome and the messages to send back. */
async function call(model, job, messages, fields = {}) {
  const asked = settings(model, job, messages, fields);
  const result = job.stream ? await streamed(asked) : await generateText(asked);
  const steps = await result.steps;
  const usage = await result.totalUsage;
  const outcome = {
    text: await result.text,
    thinking: (await result.reasoningText) ?? "",
    calls: steps.flatMap((step) => step.toolCalls.map((one) => one.input)),
    finish: await result.finishReason,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
  };
  return { outcome, messages: (await result.response).messages };
}

/** A stream read to its end; its errors come as parts. */
async function streamed(asked) {
  const result = streamText({ ...asked, onError: () => {} });
  for await (const part of result.fullStream) {
    if (part.type === "error") throw thrown(part.error);
  }
  return result;
}

/** The SDK hands on error events of a stream as they are: no object of a class. */
function thrown(error) {
  return error instanceof Error ? error : new StreamError(error);
}

class StreamError extends Error {
  constructor(event) {
    super(JSON.stringify(event));
  }
}

const user = (content) => ({ role: "user", content });

async function text(model, job) {
  return (await call(model, job, [user(job.text)])).outcome;
}

async function tools(model, job) {
  const fields = { tools: TOOLS, stopWhen: stepCountIs(4) };
  return (await call(model, job, [user(job.text)], fields)).outcome;
}

async function image(model, job) {
  const parts = [
    { type: "text", text: job.text },
    { type: "image", image: job.image, mediaType: "image/png" },
  ];
  return (await call(model, job, [user(parts)])).outcome;
}

async function think(model, job) {
  const fields = { providerOptions: provider.thinking };
  const first = await call(model, job, [user(job.text)], fields);
  const messages = [user(job.text), ...first.messages, user(job.text)];
  const second = await call(model, job, messages, fields);
  return merged(first.outcome, second.outcome);
}

async function leave(model, job) {
  const abort = new AbortController();
  const asked = settings(model, job, [user(job.text)], { abortSignal: abort.signal });
  const result = streamText({ ...asked, onError: () => {} });
  let said = "";
  let count = 0;
  for await (const part of result.fullStream) {
    if (part.type !== "text-delta") continue;
    said += part.text;
    count += 1;
    if (count === job.leave_after) abort.abort();
  }
  return { text: said };
}

await serve(provider.connect, { text, tools, image, think, leave });
