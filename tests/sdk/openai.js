"use strict";
const assert = require("assert");
const OpenAI = require("openai");
const { toFile } = OpenAI;

const make = (sim, more) => new OpenAI.OpenAI({ apiKey: "sk-sim", baseURL: sim.url + "/v1", maxRetries: 0, ...more });

module.exports = {
  async "a whole answer, and one chained to it"(sim) {
    const ai = make(sim);
    const a = await ai.responses.create({ model: "gpt-6.1-terra", input: "What is the capital of France?", instructions: "Be brief.", metadata: { job: "j1" } });
    assert.ok(a.output_text.includes("«What is the capital of France?»"));
    assert.strictEqual(a.status, "completed");
    assert.strictEqual(a.metadata.job, "j1");
    assert.strictEqual(a.usage.total_tokens, a.usage.input_tokens + a.usage.output_tokens);
    const b = await ai.responses.create({ model: "gpt-6.1-terra", previous_response_id: a.id, input: [{ role: "user", content: [{ type: "input_text", text: "And of Spain?" }] }] });
    assert.strictEqual(b.previous_response_id, a.id);
    assert.ok(b.usage.input_tokens > 10);
    assert.strictEqual((await ai.responses.retrieve(a.id)).output_text, a.output_text);
    const items = await ai.responses.inputItems.list(a.id);
    assert.strictEqual(items.data[0].content[0].text, "What is the capital of France?");
    await ai.responses.delete(a.id);
    await assert.rejects(ai.responses.retrieve(a.id), (e) => e.status === 404);
    await assert.rejects(ai.responses.create({ model: "m", previous_response_id: a.id, input: "x" }), (e) => e.status === 400 && e.code === "previous_response_not_found");
  },

  async "a stream, in order, through the stream helper too"(sim) {
    const ai = make(sim);
    let text = "", last = -1;
    const types = [];
    for await (const e of await ai.responses.create({ model: "m", stream: true, input: "Count [[deltas=20 delta_ms=5 reasoning=64 keepalive]]" })) {
      assert.strictEqual(e.sequence_number, last + 1);
      last = e.sequence_number;
      types.push(e.type);
      if (e.type === "response.output_text.delta") text += e.delta;
      if (e.type === "response.completed") assert.strictEqual(e.response.output[1].content[0].text, text);
    }
    assert.strictEqual(types[0], "response.created");
    assert.strictEqual(types.at(-1), "response.completed");
    assert.strictEqual(types.filter((t) => t === "response.output_text.delta").length, 20);
    const whole = await ai.responses.stream({ model: "m", input: "Helper" }).finalResponse();
    assert.ok(whole.output_text.includes("«Helper»"));
  },

  async "a background stream is cut, then resumed"(sim) {
    const ai = make(sim);
    await sim.post("fault", { side: "openai", kind: "reset_mid", after_events: 9 });
    let id, last, text = "";
    await assert.rejects((async () => {
      for await (const e of await ai.responses.create({ model: "m", stream: true, background: true, input: "Go on [[deltas=30 delta_ms=5]]" })) {
        if (e.type === "response.created") id = e.response.id;
        if (e.type === "response.output_text.delta") text += e.delta;
        last = e.sequence_number;
      }
    })());
    assert.strictEqual(last, 8);
    let done;
    for await (const e of await ai.responses.retrieve(id, { stream: true, starting_after: last })) {
      assert.strictEqual(e.sequence_number, ++last);
      if (e.type === "response.output_text.delta") text += e.delta;
      if (e.type === "response.completed") done = e.response;
    }
    assert.strictEqual(done.output_text || done.output[0].content[0].text, text);
  },

  async "a background answer is polled, another cancelled"(sim) {
    const ai = make(sim);
    let r = await ai.responses.create({ model: "m", background: true, input: "Later [[queue_ms=30 first_ms=30]]" });
    assert.strictEqual(r.status, "queued");
    await sim.wait("for=responses.open&max=0");
    r = await ai.responses.retrieve(r.id);
    assert.strictEqual(r.status, "completed");
    r = await ai.responses.create({ model: "m", background: true, input: "Stop me [[deltas=1000 delta_ms=50]]" });
    assert.strictEqual((await ai.responses.cancel(r.id)).status, "cancelled");
    assert.strictEqual((await ai.responses.cancel(r.id)).status, "cancelled");
  },

  async "refusals, incomplete, failed and broken answers"(sim) {
    const ai = make(sim);
    const refused = await ai.responses.create({ model: "m", input: "Bad [[refuse]]" });
    assert.strictEqual(refused.output[0].content[0].type, "refusal");
    const short = await ai.responses.create({ model: "m", input: "Long", max_output_tokens: 4 });
    assert.deepStrictEqual([short.status, short.incomplete_details.reason, short.usage.output_tokens], ["incomplete", "max_output_tokens", 4]);
    const failed = await ai.responses.create({ model: "m", input: "Fail [[status=failed]]" });
    assert.deepStrictEqual([failed.status, failed.error.code], ["failed", "server_error"]);
    await assert.rejects((async () => { for await (const e of await ai.responses.create({ model: "m", stream: true, input: "x [[status=error code=rate_limit_exceeded]]" })) void e; })());
    assert.strictEqual((await ai.responses.create({ model: "m", input: "x [[empty]]" })).output_text, "");
  },

  async "the library's own retries see Retry-After"(sim) {
    const ai = make(sim, { maxRetries: 2 });
    await sim.post("fault", { side: "openai", kind: "status", status: 429, retry_after_ms: 20, times: 2 });
    const r = await ai.responses.create({ model: "m", input: "Third time" });
    assert.ok(r.output_text.includes("«Third time»"));
    assert.strictEqual((await sim.get("responses")).last, 1);
    await sim.post("fault", { side: "openai", kind: "status", status: 429, code: "insufficient_quota" });
    await assert.rejects(make(sim).responses.create({ model: "m", input: "x" }), (e) => e.status === 429 && e.code === "insufficient_quota");
    const bare = await fetch(sim.url + "/v1/models");
    assert.strictEqual(bare.status, 401);
  },

  async "models, files, audio and pictures"(sim) {
    const ai = make(sim);
    const names = [];
    for await (const m of ai.models.list()) names.push(m.id);
    assert.ok(names.includes("gpt-6.1-terra"));
    assert.strictEqual((await ai.models.retrieve("gpt-4o")).shutdown_date, "2027-01-14");
    const f = await ai.files.create({ file: await toFile(Buffer.from("%PDF-"), "a.pdf"), purpose: "user_data", expires_after: { anchor: "created_at", seconds: 3600 } });
    assert.deepStrictEqual([f.bytes, f.filename, f.expires_at - f.created_at], [5, "a.pdf", 3600]);
    const r = await ai.responses.create({ model: "m", input: [{ role: "user", content: [{ type: "input_file", file_id: f.id }, { type: "input_text", text: "Read" }] }] });
    assert.ok(r.output_text.includes("«Read» with 1 file"));
    assert.strictEqual((await ai.files.delete(f.id)).deleted, true);
    const t = await ai.audio.transcriptions.create({ model: "gpt-transcribe", file: await toFile(Buffer.alloc(14000), "say-hello_world.ogg") });
    assert.deepStrictEqual([t.text, t.usage.seconds], ["hello world", 7]);
    const i = await ai.images.generate({ model: "gpt-image-2", prompt: "a red dot" });
    assert.ok(Buffer.from(i.data[0].b64_json, "base64").subarray(1, 4).toString() === "PNG");
  },
};
