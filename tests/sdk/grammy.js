"use strict";
const assert = require("assert");
const http = require("http");
const { Bot, InputFile, GrammyError, InlineKeyboard, Keyboard, webhookCallback } = require("grammy");

const TOKEN = "7123456789:AAgrammy";
const make = (sim) => new Bot(TOKEN, { client: { apiRoot: sim.url } });

module.exports = {
  async "a polled message is answered, edited and confirmed"(sim) {
    const bot = make(sim);
    bot.command("start", (ctx) => ctx.reply("Welcome, " + ctx.from.first_name));
    bot.on("message:text", async (ctx) => {
      const m = await ctx.reply("Thinking…", { reply_parameters: { message_id: ctx.msg.message_id } });
      await ctx.replyWithChatAction("typing");
      await ctx.api.editMessageText(ctx.chat.id, m.message_id, "You said: " + ctx.msg.text,
        { entities: [{ type: "bold", offset: 0, length: 8 }] });
    });
    const running = bot.start({ allowed_updates: ["message", "callback_query"] });
    await sim.post("message", { chat: 42, text: "/start", name: "Ada" });
    await sim.post("message", { chat: 42, text: "Привет 👋🏽" });
    await sim.wait("for=text&chat=42&equals=" + encodeURIComponent("You said: Привет 👋🏽"));
    await bot.stop();
    await running;
    await sim.wait("for=pending&max=0");
    const chat = await sim.get("chat?chat=42");
    assert.deepStrictEqual(chat.messages.filter((m) => m.from === "bot").map((m) => m.text), ["Welcome, Ada", "You said: Привет 👋🏽"]);
    assert.deepStrictEqual(chat.messages[3].entities, [{ type: "bold", offset: 0, length: 8 }]);
    assert.strictEqual(chat.messages[3].reply_to, 2);
  },

  async "buttons, commands, drafts and files work"(sim) {
    const bot = make(sim);
    await bot.init();
    assert.strictEqual(bot.botInfo.username, "helper_ai_bot");
    await sim.post("chat", { chat: 42 });
    const m = await bot.api.sendMessage(42, "Choose", { reply_markup: new InlineKeyboard().text("One", "1").text("Two", "2") });
    assert.strictEqual(m.reply_markup.inline_keyboard[0].length, 2);
    const pressed = new Promise((yes) => bot.on("callback_query:data", async (ctx) => { await ctx.answerCallbackQuery("ok"); yes(ctx.callbackQuery.data); }));
    const running = bot.start();
    await sim.post("callback", { chat: 42, message_id: m.message_id, data: "2" });
    assert.strictEqual(await pressed, "2");
    await bot.api.setMyCommands([{ command: "new", description: "New chat" }]);
    assert.deepStrictEqual(await bot.api.getMyCommands(), [{ command: "new", description: "New chat" }]);
    const d = await bot.api.sendDocument(42, new InputFile(Buffer.from("hello"), "a.txt"), { caption: "A file" });
    assert.strictEqual(d.document.file_size, 5);
    assert.strictEqual(d.caption, "A file");
    const p = await bot.api.sendPhoto(42, new InputFile(Buffer.alloc(3000, 7), "p.png"));
    assert.ok(p.photo.length >= 2);
    const f = await bot.api.getFile(d.document.file_id);
    assert.strictEqual(await (await fetch(`${sim.url}/file/bot${TOKEN}/${f.file_path}`)).text(), "hello");
    assert.strictEqual(await bot.api.deleteMessage(42, m.message_id), true);
    assert.strictEqual((await bot.api.getChat(42)).type, "private");
    await bot.stop();
    await running;
  },

  async "errors arrive as GrammyError with their parameters"(sim) {
    const bot = make(sim);
    await sim.post("chat", { chat: 42 });
    await assert.rejects(bot.api.sendMessage(43, "x"), (e) => e instanceof GrammyError && e.description === "Bad Request: chat not found");
    const m = await bot.api.sendMessage(42, "same");
    await assert.rejects(bot.api.editMessageText(42, m.message_id, "same"), (e) => e.description.startsWith("Bad Request: message is not modified"));
    await assert.rejects(bot.api.sendMessage(42, "x".repeat(4097)), (e) => e.description === "Bad Request: message is too long");
    await sim.post("fault", { side: "telegram", kind: "status", status: 429, retry_after: 14, match: { method: "sendMessage" } });
    await assert.rejects(bot.api.sendMessage(42, "x"), (e) => e.error_code === 429 && e.parameters.retry_after === 14);
    await sim.post("block", { chat: 42 });
    await assert.rejects(bot.api.sendMessage(42, "x"), (e) => e.error_code === 403 && e.description.includes("blocked"));
  },

  async "of two pollers the older is told 409"(sim) {
    const bot = make(sim), other = make(sim);
    const first = bot.api.getUpdates({ timeout: 20 });
    await new Promise((yes) => setTimeout(yes, 100));
    const second = other.api.getUpdates({ timeout: 20 });
    await assert.rejects(first, (e) => e.error_code === 409 && e.description.includes("terminated by other getUpdates request"));
    await sim.post("message", { chat: 42, text: "for the second" });
    assert.strictEqual((await second)[0].message.text, "for the second");
  },

  async "groups, replies, quotes, edits, albums and topics look as they should"(sim) {
    const bot = make(sim), seen = {};
    bot.command("img", (ctx) => { seen.img = ctx.match; });
    bot.on("edited_message:text", (ctx) => { seen.edited = ctx.editedMessage.text; });
    bot.on("message:photo", (ctx) => { (seen.album = seen.album || []).push(ctx.msg.photo.length); });
    bot.on("message:entities:mention", (ctx) => { seen.mentioned = ctx.entities("mention").map((e) => e.text); return ctx.reply("Yes?"); });
    bot.on("message:is_topic_message", (ctx) => { seen.topic = ctx.msg.message_thread_id; });
    bot.on("message:forward_origin:hidden_user", (ctx) => { seen.forward = ctx.msg.forward_origin.sender_user_name; });
    bot.chatType("supergroup").on("message:text", (ctx) => { seen.reply = [ctx.msg.reply_to_message?.from.id === ctx.me.id, ctx.msg.quote?.text]; });
    bot.on("my_chat_member", (ctx) => { seen.me = ctx.myChatMember.new_chat_member.status; });
    const running = bot.start();
    await sim.post("member", { chat: -100500, status: "member" });
    await sim.post("message", { chat: -100500, text: "что это?", mention: true, name: "Ада" });
    const { message_id } = await sim.wait("for=text&chat=-100500&equals=" + encodeURIComponent("Yes?"));
    await sim.post("message", { chat: -100500, text: "and why?", reply_to: message_id, quote: "Yes" });
    await sim.post("message", { chat: -100500, text: "/img@helper_ai_bot a cat" });
    const { message_id: mine } = await sim.post("message", { chat: 42, text: "/x" });
    await sim.post("edit", { chat: 42, message_id: mine, text: "corrected" });
    await sim.post("message", { chat: 42, kind: "photo", album: 2 });
    await sim.post("message", { chat: -100500, text: "here", thread: 7 });
    await sim.post("message", { chat: 42, text: "fwd", forward_from: "Someone" });
    await sim.wait("for=pending&max=0");
    await bot.stop();
    await running;
    assert.deepStrictEqual(seen, { me: "member", mentioned: ["@helper_ai_bot"], reply: [true, "Yes"], img: "a cat", edited: "corrected", album: [2, 2], topic: 7, forward: "Someone" });
  },

  async "keyboards are pressed, members and menus are known"(sim) {
    const bot = make(sim);
    await sim.post("chat", { chat: 42 });
    await bot.api.sendMessage(42, "Keys", { reply_markup: new Keyboard().text("New chat").text("Help").resized() });
    await sim.post("press", { chat: 42, text: "Help" });
    assert.strictEqual((await bot.api.getUpdates())[0].message.text, "Help");
    const m = await bot.api.sendMessage(42, "Growing", { reply_markup: new InlineKeyboard().text("Stop", "stop 1") });
    const { callback_id } = await sim.post("press", { chat: 42, text: "Stop" });
    await bot.api.answerCallbackQuery(callback_id, { text: "Stopped" });
    await assert.rejects(bot.api.answerCallbackQuery(callback_id), (e) => e.description.includes("query is too old"));
    assert.strictEqual((await sim.get("presses")).presses[0].text, "Stopped");
    await bot.api.editMessageReplyMarkup(42, m.message_id);
    await assert.rejects(sim.post("press", { chat: 42, text: "Stop" }), /no such button/);
    const menu = [{ command: "new", description: "New chat" }];
    await bot.api.setMyCommands(menu, { scope: { type: "chat", chat_id: 42 }, language_code: "ru" });
    assert.deepStrictEqual(await bot.api.getMyCommands({ scope: { type: "chat", chat_id: 42 }, language_code: "ru" }), menu);
    await sim.post("member", { chat: -100500, user: 8, status: "administrator" });
    assert.strictEqual((await bot.api.getChatMember(-100500, 8)).status, "administrator");
  },

  async "a webhook brings updates to it, with the secret"(sim) {
    const bot = make(sim);
    bot.on("message:text", (ctx) => ctx.reply("Hooked: " + ctx.msg.text));
    await bot.init();
    const server = http.createServer(webhookCallback(bot, "http", { secretToken: "s3cret" }));
    await new Promise((yes) => server.listen(0, "127.0.0.1", yes));
    const url = `http://127.0.0.1:${server.address().port}/hook`;
    await sim.post("telegram", { webhook_first_ms: 20 });
    await bot.api.setWebhook(url, { secret_token: "wrong" });
    await sim.post("message", { chat: 42, text: "one" });
    await sim.wait("for=webhook.failed&min=1");
    assert.match((await bot.api.getWebhookInfo()).last_error_message, /401/);
    await bot.api.setWebhook(url, { secret_token: "s3cret" });
    await sim.wait("for=text&chat=42&equals=" + encodeURIComponent("Hooked: one"));
    await bot.api.deleteWebhook();
    server.closeAllConnections();
    server.close();
  },
};
