"use strict";
const assert = require("assert");
const http = require("http");
const { Telegraf, Markup } = require("telegraf");

const TOKEN = "7123456790:AAtelegraf";
const make = (sim) => new Telegraf(TOKEN, { telegram: { apiRoot: sim.url } });

module.exports = {
  async "a polled message is answered and edited"(sim) {
    const bot = make(sim);
    bot.start((ctx) => ctx.reply("Welcome"));
    bot.on("text", async (ctx) => {
      const m = await ctx.reply("…");
      await ctx.sendChatAction("typing");
      await ctx.telegram.editMessageText(ctx.chat.id, m.message_id, undefined, "Echo: " + ctx.message.text);
    });
    const running = bot.launch({ dropPendingUpdates: false });
    await sim.post("messages", { chat: 42, texts: ["/start", "ça va?"] });
    await sim.wait("for=text&chat=42&equals=" + encodeURIComponent("Echo: ça va?"));
    bot.stop();
    await running;
    const chat = await sim.get("chat?chat=42");
    assert.deepStrictEqual(chat.messages.map((m) => m.text), ["/start", "ça va?", "Welcome", "Echo: ça va?"]);
  },

  async "buttons and uploads work"(sim) {
    const bot = make(sim);
    await sim.post("chat", { chat: 42 });
    const m = await bot.telegram.sendMessage(42, "Choose", Markup.inlineKeyboard([Markup.button.callback("One", "1")]));
    const pressed = new Promise((yes) => bot.on("callback_query", async (ctx) => { await ctx.answerCbQuery(); yes(ctx.callbackQuery.data); }));
    const running = bot.launch();
    await sim.post("callback", { chat: 42, message_id: m.message_id, data: "1" });
    assert.strictEqual(await pressed, "1");
    const d = await bot.telegram.sendDocument(42, { source: Buffer.from("hello"), filename: "a.txt" }, { caption: "c" });
    assert.strictEqual(d.document.file_name, "a.txt");
    const link = await bot.telegram.getFileLink(d.document.file_id);
    assert.strictEqual(await (await fetch(link)).text(), "hello");
    bot.stop();
    await running;
  },

  async "errors carry code and parameters"(sim) {
    const bot = make(sim);
    await sim.post("chat", { chat: 42 });
    await assert.rejects(bot.telegram.sendMessage(43, "x"), (e) => e.response.error_code === 400);
    await sim.post("fault", { side: "telegram", kind: "status", status: 429, retry_after: 7 });
    await assert.rejects(bot.telegram.sendMessage(42, "x"), (e) => e.response.parameters.retry_after === 7);
  },

  async "a webhook is stored, and polling refused meanwhile"(sim) {
    const bot = make(sim);
    await bot.telegram.setWebhook("https://bot.example.org/tg", { allowed_updates: ["message"] });
    const info = await bot.telegram.getWebhookInfo();
    assert.strictEqual(info.url, "https://bot.example.org/tg");
    assert.deepStrictEqual(info.allowed_updates, ["message"]);
    await assert.rejects(bot.telegram.getUpdates(0, 1, 0, []), (e) => e.response.error_code === 409);
    await bot.telegram.deleteWebhook();
    assert.deepStrictEqual(await bot.telegram.getUpdates(0, 1, 0, []), []);
  },

  async "a webhook brings updates to it"(sim) {
    const bot = make(sim);
    bot.on("text", (ctx) => ctx.reply("Hooked: " + ctx.message.text));
    const server = http.createServer(bot.webhookCallback("/hook", { secretToken: "s3cret" }));
    await new Promise((yes) => server.listen(0, "127.0.0.1", yes));
    await sim.post("messages", { chat: 42, texts: ["one", "two"] });
    await bot.telegram.setWebhook(`http://127.0.0.1:${server.address().port}/hook`, { secret_token: "s3cret", max_connections: 2 });
    await sim.wait("for=text&chat=42&equals=" + encodeURIComponent("Hooked: two"));
    const chat = await sim.get("chat?chat=42");
    assert.deepStrictEqual(chat.messages.filter((m) => m.from === "bot").map((m) => m.text), ["Hooked: one", "Hooked: two"]);
    await bot.telegram.deleteWebhook();
    server.closeAllConnections();
    server.close();
  },
};
