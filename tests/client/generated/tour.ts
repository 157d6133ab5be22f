// From a text to a text with openapi-fetch and the types that openapi-typescript generates.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["Job"];

declare const process: { argv: string[] };
const [url, text] = process.argv.slice(2) as [string, string];
const client = createClient<paths>({ baseUrl: url });

async function ended(id: string): Promise<Job> {
  for (;;) {
    const { data, error } = await client.GET("/api/v1/jobs/{job_id}", {
      params: { path: { job_id: id }, query: { wait: 20 } },
    });
    if (error) throw new Error(error.detail);
    if (data.status === "succeeded") return data;
    if (data.status === "failed" || data.status === "cancelled") throw new Error(data.error?.detail);
  }
}

const corpus = await client.POST("/api/v1/corpora", {
  params: { query: { name: "Tour" } },
  body: text,
  bodySerializer: (body: unknown) => body as string,
  headers: { "Content-Type": "text/plain" },
});
if (!corpus.data) throw new Error(corpus.error?.detail);

const train = await client.POST("/api/v1/train-jobs", {
  body: { recipe: "stream", corpus_id: corpus.data.id, max_seconds: 1 },
  params: { header: { "Idempotency-Key": "tour-ts" } },
});
if (!train.data) throw new Error(train.error?.detail);
const trained = await ended(train.data.id);
if (!trained.result || !("stop_reason" in trained.result)) throw new Error("no result of a training");

const generate = await client.POST("/api/v1/generate-jobs", {
  body: { model_id: trained.result.model_id, length: 40 },
});
if (!generate.data) throw new Error(generate.error?.detail);
const written = await ended(generate.data.id);
if (!written.result || !("outputs" in written.result)) throw new Error("no result of a generate job");

const events = await client.GET("/api/v1/jobs/{job_id}/events", { params: { path: { job_id: written.id } } });
let pieces = "";
for (const event of typeof events.data === "object" ? events.data.data : []) {
  if (event.type === "text") pieces += event.data.delta;
}

const unknown = await client.GET("/api/v1/models/{model_id}", {
  params: { path: { model_id: "mod_00000000000000000000000000" } },
});
console.log(
  JSON.stringify({
    params: trained.params,
    text: written.result.outputs[0]?.text,
    pieces,
    code: unknown.error?.code,
  }),
);
