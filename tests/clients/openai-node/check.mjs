// The official OpenAI client for Node against a portal: node check.mjs BASE_URL KEY
import assert from "node:assert/strict";
import OpenAI, { toFile } from "openai";

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey, maxRetries: 0 });
const endpoint = "/v1/chat/completions";
const body = { model: "any", messages: [{ role: "user", content: "Hello" }] };
const names = ["row-1", "row-2", "row-3"];
const lines = names.map((custom_id) => JSON.stringify({ custom_id, method: "POST", url: endpoint, body }));

const file = await client.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "rows.jsonl"), purpose: "batch" });
assert.equal(file.object, "file");
assert.equal(file.filename, "rows.jsonl");

let batch = await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h", metadata: { team: "ops" } });
assert.deepEqual(batch.metadata, { team: "ops" });
const patience = Date.now() + 60_000;
while (batch.status !== "completed") {
  assert.ok(Date.now() < patience, `still ${batch.status}`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  batch = await client.batches.retrieve(batch.id);
}
assert.deepEqual(batch.request_counts, { total: 3, completed: 3, failed: 0 });

const output = await (await client.files.content(batch.output_file_id)).text();
assert.deepEqual(output.trimEnd().split("\n").map((line) => JSON.parse(line).custom_id), names);

await client.batches.create({ input_file_id: file.id, endpoint, completion_window: "24h" });
const listed = [];
for await (const each of client.batches.list({ limit: 1 })) listed.push(each.id);
assert.equal(listed.length, 2);
assert.equal(listed[1], batch.id);

await assert.rejects(client.batches.cancel(batch.id), OpenAI.ConflictError);
await assert.rejects(client.batches.retrieve("batch_unknown"), OpenAI.NotFoundError);
