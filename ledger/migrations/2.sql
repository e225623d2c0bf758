-- Version 1 to 2: sums of usage, settings, users. The tables as schema.sql has them, and what the rows that stand give for them.

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

-- What was paid before there were sums: row by row, so that memory does not grow with them, as it would to sort them.
INSERT INTO quarters (user_id, quarter, kind, model, calls, cost_nusd)
SELECT user_id, at / 900000, kind, model, 1, cost_nusd FROM usage WHERE true
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,
                          cost_nusd = max(-9000000000000000000, min(9000000000000000000, cost_nusd + excluded.cost_nusd));
INSERT INTO quarters (user_id, quarter, kind, model, calls, cost_nusd)
SELECT -9223372036854775808, at / 900000, kind, model, 1, cost_nusd FROM usage WHERE true
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,
                          cost_nusd = max(-9000000000000000000, min(9000000000000000000, cost_nusd + excluded.cost_nusd));
INSERT INTO totals (user_id, kind, model, calls, cost_nusd)
SELECT user_id, kind, model, calls, cost_nusd FROM quarters WHERE true
ON CONFLICT DO UPDATE SET calls = calls + excluded.calls,
                          cost_nusd = max(-9000000000000000000, min(9000000000000000000, cost_nusd + excluded.cost_nusd));
INSERT INTO users (user_id, first_seen, in_private) SELECT user_id, at, chat_id = user_id FROM usage WHERE true
ON CONFLICT DO UPDATE SET first_seen = min(first_seen, excluded.first_seen), in_private = max(in_private, excluded.in_private);
