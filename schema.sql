-- The ledger's file. One writer (gpttg-ledger), WAL, synchronous=FULL. Money is whole nano-dollars: 1 USD = 1 000 000 000.
--
--   events   what came out of the stream, word for word as JSON: it is written first and takes any content
--   usage    what it means: one row per paid call, never changed and never deleted; a correction is a further row
--   quarters, totals     sums of usage
--   settings, users, changes     what administrators have set, who is known, and which change was made when
--
-- Personal are user_id, chat_id where it is the user's own chat (the same number), response_id, and of events.fields these and
-- whatever is not in usage. When somebody is forgotten (ledger/forget.h) user_id and such a chat_id become a number below 0 that is his
-- alone, response_id is emptied, fields are cut to what usage has; counts, costs and times stay. Copies made before (backups, .before-<n>)
-- still have them. With RETENTION_DAYS events older than that are deleted; usage never is.
--
-- Times are milliseconds since 1970 (UTC); whose day or month it was is decided when asking, by TZ_NAME.
-- By hand:  sqlite3 -readonly -box data/gpttg.db 'SELECT * FROM spending ORDER BY at DESC LIMIT 20'

PRAGMA application_id = 1196446791;                 -- "GPTG": this file is ours
PRAGMA user_version = 2;                            -- only ever goes up; ledger/migrations/README.md says how the tables are changed

CREATE TABLE events (
  event_id  TEXT    NOT NULL PRIMARY KEY,           -- <job>:<call>, the same however often it is sent
  stored_at INTEGER NOT NULL,
  fields    TEXT    NOT NULL                        -- {"kind":"usage","job":…}, every field as text
) STRICT, WITHOUT ROWID;                            -- they come in about the order of their ids

CREATE TABLE usage (
  event_id           TEXT    NOT NULL PRIMARY KEY REFERENCES events (event_id),
  at                 INTEGER NOT NULL CHECK (at >= 0),
  user_id            INTEGER NOT NULL,
  chat_id            INTEGER NOT NULL,
  kind               TEXT    NOT NULL,              -- chat, transcription, image, …; correction
  model              TEXT    NOT NULL,
  input_tokens       INTEGER NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),      -- all input; the next two are part of it
  cached_tokens      INTEGER NOT NULL DEFAULT 0 CHECK (cached_tokens >= 0),
  cache_write_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cache_write_tokens >= 0),
  output_tokens      INTEGER NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),     -- all output; the next is part of it
  reasoning_tokens   INTEGER NOT NULL DEFAULT 0 CHECK (reasoning_tokens >= 0),
  seconds            REAL    NOT NULL DEFAULT 0 CHECK (seconds >= 0),           -- of audio
  images             INTEGER NOT NULL DEFAULT 0 CHECK (images >= 0),
  tools              TEXT    NOT NULL DEFAULT '',   -- web_search=2,file_search=1
  cost_nusd          INTEGER NOT NULL
                     CHECK (abs(cost_nusd) <= 9000000000000000 AND (cost_nusd >= 0 OR kind = 'correction')),
  price_version      TEXT    NOT NULL DEFAULT '',   -- of the prices file that it was computed by; 'fallback': the three variables
  estimated          INTEGER NOT NULL DEFAULT 0 CHECK (estimated IN (0, 1)),    -- 1: no usage was reported for a stopped call
  status             TEXT    NOT NULL DEFAULT '',   -- completed, incomplete, cancelled, failed, …
  response_id        TEXT    NOT NULL DEFAULT '',
  job                TEXT    NOT NULL DEFAULT '',
  call               TEXT    NOT NULL DEFAULT '',   -- which call of the job
  unclear            TEXT    NOT NULL DEFAULT ''    -- fields that made no sense and count as 0: see events.fields
) STRICT;

-- What somebody spent in a day or a month, and what everybody did, without touching the rows themselves.
CREATE INDEX usage_by_user ON usage (user_id, at, cost_nusd);
CREATE INDEX usage_by_time ON usage (at, user_id, cost_nusd);

CREATE TRIGGER usage_is_not_changed
BEFORE UPDATE OF event_id, at, kind, model, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                 seconds, images, tools, cost_nusd, price_version, estimated ON usage
BEGIN SELECT raise(ABORT, 'usage is append-only: correct it by a further row of kind correction'); END;

CREATE TRIGGER usage_is_not_deleted BEFORE DELETE ON usage
BEGIN SELECT raise(ABORT, 'usage is append-only: correct it by a further row of kind correction'); END;

-- Sums of usage, kept by the trigger below, so that a question costs the same however many rows there are. A quarter is that of an
-- hour, counted from 1970 (UTC): the days of every time zone are made of whole ones. -9223372036854775808 stands for everybody.
CREATE TABLE quarters (
  user_id   INTEGER NOT NULL,
  quarter   INTEGER NOT NULL,                       -- at / 900000
  kind      TEXT    NOT NULL,
  model     TEXT    NOT NULL,
  calls     INTEGER NOT NULL,
  cost_nusd INTEGER NOT NULL,
  PRIMARY KEY (user_id, quarter, kind, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE totals (                               -- of all time
  user_id   INTEGER NOT NULL,
  kind      TEXT    NOT NULL,
  model     TEXT    NOT NULL,
  calls     INTEGER NOT NULL,
  cost_nusd INTEGER NOT NULL,
  PRIMARY KEY (user_id, kind, model)
) STRICT, WITHOUT ROWID;

-- What an administrator has set: of the bot, and of its users. NULL or no row: nothing, so the environment decides.
CREATE TABLE settings (
  name       TEXT    NOT NULL PRIMARY KEY,          -- as in the environment
  value      TEXT,
  changed_at INTEGER NOT NULL,
  changed_by INTEGER NOT NULL                       -- a user's id
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
  user_id             INTEGER NOT NULL PRIMARY KEY,
  name                TEXT    NOT NULL DEFAULT '',  -- as Telegram had it when they last asked the ledger something
  first_seen          INTEGER NOT NULL,
  role                TEXT,
  model               TEXT,
  daily_budget_nusd   INTEGER CHECK (daily_budget_nusd >= 0),
  monthly_budget_nusd INTEGER CHECK (monthly_budget_nusd >= 0),
  changed_at          INTEGER NOT NULL DEFAULT 0,
  changed_by          INTEGER NOT NULL DEFAULT 0,
  in_private          INTEGER NOT NULL DEFAULT 0 CHECK (in_private IN (0, 1))      -- 1: they have asked something where only the bot reads it
) STRICT;

-- Each change once, whatever is repeated; and who did what.
CREATE TABLE changes (
  job     TEXT    NOT NULL PRIMARY KEY,
  at      INTEGER NOT NULL,
  user_id INTEGER NOT NULL,
  what    TEXT    NOT NULL                          -- "settings OPENAI_MODEL gpt-9", a line each
) STRICT, WITHOUT ROWID;

CREATE TRIGGER usage_is_summed AFTER INSERT ON usage
BEGIN
  INSERT INTO users (user_id, first_seen, in_private) VALUES (new.user_id, new.at, new.chat_id = new.user_id)
  ON CONFLICT DO UPDATE SET in_private = 1 WHERE excluded.in_private AND NOT in_private;
  INSERT INTO quarters (user_id, quarter, kind, model, calls, cost_nusd)
  VALUES (new.user_id, new.at / 900000, new.kind, new.model, 1, new.cost_nusd),
         (-9223372036854775808, new.at / 900000, new.kind, new.model, 1, new.cost_nusd)
  ON CONFLICT DO UPDATE SET calls = calls + 1,
                            cost_nusd = max(-9000000000000000000, min(9000000000000000000, cost_nusd + excluded.cost_nusd));
  INSERT INTO totals (user_id, kind, model, calls, cost_nusd)
  VALUES (new.user_id, new.kind, new.model, 1, new.cost_nusd), (-9223372036854775808, new.kind, new.model, 1, new.cost_nusd)
  ON CONFLICT DO UPDATE SET calls = calls + 1,
                            cost_nusd = max(-9000000000000000000, min(9000000000000000000, cost_nusd + excluded.cost_nusd));
END;

-- For people.
CREATE VIEW spending AS
SELECT strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch') AS at, user_id, chat_id, kind, model, input_tokens, cached_tokens,
       cache_write_tokens, output_tokens, seconds, images,
       iif(cost_nusd < 0, '-', '') || printf('%d.%09d', abs(cost_nusd) / 1000000000, abs(cost_nusd) % 1000000000) AS usd,
       iif(estimated, 'estimated', '') AS note, event_id
FROM usage;
