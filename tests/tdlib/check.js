// Our entities against Telegram's own parser, TDLib. Every golden case is given to it as HTML; text and entities must be those that we send.
// `npm install` here (or NODE_PATH), then: build-test/tests/unit/test_outbound_golden --json | node check.js
"use strict";

const fs = require("fs");
const tdl = require("tdl");
const { getTdjson } = require("prebuilt-tdlib");

const NAMES = {
  textEntityTypeBold: "bold", textEntityTypeItalic: "italic", textEntityTypeStrikethrough: "strikethrough", textEntityTypeCode: "code",
  textEntityTypePre: "pre", textEntityTypePreCode: "pre", textEntityTypeTextUrl: "text_link", textEntityTypeBlockQuote: "blockquote",
  textEntityTypeExpandableBlockQuote: "expandable_blockquote",
};

// What Telegram finds by itself (addresses, hashtags, …) is not ours.
const theirs = (entities) => entities.filter((e) => NAMES[e.type._]).map((e) => ({ ...e, type: NAMES[e.type._], url: e.type.url, language: e.type.language }));
const lines = (entities) => entities.map((e) => [e.type, e.offset, e.length, e.url || "", e.language || ""].join(" ").trim()).sort();

tdl.configure({ tdjson: getTdjson(), verbosityLevel: 0 });
const cases = JSON.parse(fs.readFileSync(0));
let failed = 0;
for (const c of cases) {
  const parsed = tdl.execute({ _: "parseTextEntities", text: c.html, parse_mode: { _: "textParseModeHTML" } });
  const ours = lines(c.entities), found = parsed._ === "formattedText" ? lines(theirs(parsed.entities)) : [JSON.stringify(parsed)];
  if (parsed.text === c.text && found.join("\n") === ours.join("\n")) continue;
  failed++;
  console.log(`not ok ${c.title}\n  ours   ${ours.join(" | ")}\n  theirs ${found.join(" | ")}`);
}
console.log(`${cases.length} cases, ${failed} differ`);
process.exit(failed ? 1 : 0);
