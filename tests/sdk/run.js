// Runs every trial against a running simulator: node run.js http://127.0.0.1:8484
// The libraries come from `npm install` here, or from a folder that NODE_PATH names.
"use strict";

const url = process.argv[2] || "http://127.0.0.1:8484";

async function control(method, path, body) {
  const r = await fetch(url + "/control/" + path, { method, body: body && JSON.stringify(body) });
  const answer = await r.json();
  if (!r.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  return answer;
}

const sim = {
  url,
  get: (path) => control("GET", path),
  post: (path, body) => control("POST", path, body || {}),
  clear: () => control("DELETE", "faults"),
  wait: async (what) => {
    const r = await control("GET", "wait?timeout_ms=10000&" + what);
    if (!r.ok) throw new Error("waited in vain for " + what + ": " + JSON.stringify(r));
    return r;
  },
};

(async () => {
  let failed = 0;
  for (const name of ["grammy", "telegraf", "openai"]) {
    let trials;
    try {
      trials = require("./" + name + ".js");
    } catch (e) {
      if (e.code !== "MODULE_NOT_FOUND") throw e;
      console.log(`not ok ${name}: not installed (npm install in tests/sdk)`);
      failed++;
      continue;
    }
    for (const [title, trial] of Object.entries(trials)) {
      await sim.post("reset");
      let timer;
      try {
        const late = new Promise((_, no) => { timer = setTimeout(() => no(new Error("took more than 30 s")), 30000); });
        await Promise.race([trial(sim), late]);
        console.log(`ok ${name}: ${title}`);
      } catch (e) {
        failed++;
        console.log(`not ok ${name}: ${title}\n${e.stack}`);
      } finally {
        clearTimeout(timer);
      }
    }
  }
  process.exit(failed ? 1 : 0);
})();
