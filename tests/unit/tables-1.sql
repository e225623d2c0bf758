-- The ledger's tables as version 1 had them, for test_upgrade.c: never changed again.
PRAGMA application_id = 1196446791;
PRAGMA user_version = 1;
CREATE TABLE events (
  event_id  TEXT    NOT NULL PRIMARY KEY,
  stored_at INTEGER NOT NULL,
  fields    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE usage (
  event_id           TEXT    NOT NULL PRIMARY KEY REFERENCES events (event_id),
  at                 INTEGER NOT NULL CHECK (at >= 0),
  user_id            INTEGER NOT NULL,
  chat_id            INTEGER NOT NULL,
  kind               TEXT    NOT NULL,
  model              TEXT    NOT NULL,
  input_tokens       INTEGER NOT NULL DEFAULT 0 CHECK (input_tokens >= 0),
  cached_tokens      INTEGER NOT NULL DEFAULT 0 CHECK (cached_tokens >= 0),
  cache_write_tokens INTEGER NOT NULL DEFAULT 0 CHECK (cache_write_tokens >= 0),
  output_tokens      INTEGER NOT NULL DEFAULT 0 CHECK (output_tokens >= 0),
  reasoning_tokens   INTEGER NOT NULL DEFAULT 0 CHECK (reasoning_tokens >= 0),
  seconds            REAL    NOT NULL DEFAULT 0 CHECK (seconds >= 0),
  images             INTEGER NOT NULL DEFAULT 0 CHECK (images >= 0),
  tools              TEXT    NOT NULL DEFAULT '',
  cost_nusd          INTEGER NOT NULL
                     CHECK (abs(cost_nusd) <= 9000000000000000 AND (cost_nusd >= 0 OR kind = 'correction')),
  price_version      TEXT    NOT NULL DEFAULT '',
  estimated          INTEGER NOT NULL DEFAULT 0 CHECK (estimated IN (0, 1)),
  status             TEXT    NOT NULL DEFAULT '',
  response_id        TEXT    NOT NULL DEFAULT '',
  job                TEXT    NOT NULL DEFAULT '',
  call               TEXT    NOT NULL DEFAULT '',
  unclear            TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX usage_by_user ON usage (user_id, at, cost_nusd);
CREATE INDEX usage_by_time ON usage (at, user_id, cost_nusd);
CREATE TRIGGER usage_is_not_changed
BEFORE UPDATE OF event_id, at, kind, model, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                 seconds, images, tools, cost_nusd, price_version, estimated ON usage
BEGIN SELECT raise(ABORT, 'usage is append-only: correct it by a further row of kind correction'); END;
CREATE TRIGGER usage_is_not_deleted BEFORE DELETE ON usage
BEGIN SELECT raise(ABORT, 'usage is append-only: correct it by a further row of kind correction'); END;
CREATE VIEW spending AS
SELECT strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch') AS at, user_id, chat_id, kind, model, input_tokens, cached_tokens,
       cache_write_tokens, output_tokens, seconds, images,
       iif(cost_nusd < 0, '-', '') || printf('%d.%09d', abs(cost_nusd) / 1000000000, abs(cost_nusd) % 1000000000) AS usd,
       iif(estimated, 'estimated', '') AS note, event_id
FROM usage;
