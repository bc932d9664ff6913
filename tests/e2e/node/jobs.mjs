// What every driver has in common: jobs come in, one JSON object a line, and so do outcomes go out.
import { createInterface } from "node:readline";

export const TOOL = {
  name: "weather",
  description: "The weather of a city.",
  schema: {
    type: "object",
    properties: { city: { type: "string" } },
    required: ["city"],
    additionalProperties: false,
  },
};
export const TOOL_SAID = "sunny";

/** Run each job by `scenarios[job.scenario](client, job)`; what is thrown is an outcome as well. */
export async function serve(connect, scenarios) {
  for await (const line of createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    let outcome;
    try {
      outcome = await scenarios[job.scenario](connect(job), job);
    } catch (error) {
      outcome = { failure: described(error) };
    }
    process.stdout.write(`${JSON.stringify(outcome)}\n`);
  }
}

export function described(error) {
  return {
    name: error.constructor.name,
    status: error.status ?? error.statusCode ?? null,
    message: String(error.message),
  };
}

/** An outcome of one call or several: texts of the last, tokens of all. */
export function merged(...outcomes) {
  const total = (name) => outcomes.reduce((sum, one) => sum + one[name], 0);
  return {
    ...outcomes.at(-1),
    thinking: outcomes.map((one) => one.thinking ?? "").join(""),
    calls: outcomes.flatMap((one) => one.calls ?? []),
    input_tokens: total("input_tokens"),
    output_tokens: total("output_tokens"),
  };
}
